"""Work beyond the limits waits a little or is refused, and everything is released."""

import threading
import time
from contextlib import suppress

import pytest

from loan_api.errors import SaturatedError
from loan_api.services.admission import ByteBudget, LoadShedder


def test_a_batch_that_fits_is_admitted_at_once() -> None:
    budget = ByteBudget(100, queue_length=0, patience=0)
    with budget.holding() as first, budget.holding() as second:
        first.grow(30)
        second.grow(40)
        first.grow(30)


def test_a_batch_that_does_not_fit_in_time_is_refused() -> None:
    budget = ByteBudget(100, queue_length=1, patience=0.01)
    with budget.holding() as first, budget.holding() as second:
        first.grow(60)
        with pytest.raises(SaturatedError, match="in progress"):
            second.grow(41)
        second.grow(40)


def test_the_oldest_is_always_admitted_so_that_one_finishes() -> None:
    budget = ByteBudget(100, queue_length=1, patience=0)
    with budget.holding() as second:
        with budget.holding() as third:
            second.grow(60)
            with pytest.raises(SaturatedError):
                third.grow(60)
        second.grow(1000)


def test_an_announced_batch_that_does_not_arrive_takes_no_room() -> None:
    budget = ByteBudget(100, queue_length=0, patience=0)
    with budget.holding(), budget.holding(), budget.holding() as third:
        third.grow(100)


def test_a_waiting_batch_is_admitted_as_soon_as_there_is_room() -> None:
    budget = ByteBudget(100, queue_length=1, patience=10)
    inside, leave = threading.Event(), threading.Event()
    order: list[str] = []

    def first() -> None:
        with budget.holding() as holding:
            holding.grow(100)
            inside.set()
            leave.wait(10)
            order.append("the first leaves")

    def other() -> None:
        with budget.holding() as holding:
            holding.grow(100)
            order.append("the other is admitted")

    threads = [threading.Thread(target=first), threading.Thread(target=other)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    leave.set()
    for thread in threads:
        thread.join(10)
    assert order == ["the first leaves", "the other is admitted"]


def test_a_batch_beyond_the_queue_is_refused_at_once() -> None:
    budget = ByteBudget(100, queue_length=0, patience=10)
    started = time.monotonic()
    with budget.holding() as first, budget.holding() as second:
        first.grow(100)
        with pytest.raises(SaturatedError, match="waiting already"):
            second.grow(1)
    assert time.monotonic() - started < 5


def test_room_is_released_after_an_error() -> None:
    budget = ByteBudget(100, queue_length=0, patience=0)
    for _ in range(3):
        with suppress(KeyError), budget.holding(), budget.holding() as second:
            second.grow(100)
            raise KeyError


class Loop:
    """An event loop: its iteration, the time, and the CPU seconds of its thread."""

    def __init__(self) -> None:
        self.iteration: int | None = 1
        self.now = 100.0
        self.worked = 10.0

    def shedder(self, limit: float) -> LoadShedder:
        return LoadShedder(limit, lambda: self.iteration, lambda: self.now, lambda: self.worked)

    def go_on(self, seconds: float, *, at_work: float) -> None:
        self.now += seconds
        self.worked += at_work


def test_requests_late_in_an_iteration_are_refused_until_the_next() -> None:
    loop = Loop()
    shedder = loop.shedder(0.25)
    loop.iteration = 2
    for _ in range(3):
        shedder.check()
        loop.go_on(0.1, at_work=0.1)
    for _ in range(3):
        with pytest.raises(SaturatedError, match="in time"):
            shedder.check()
    loop.iteration = 3
    shedder.check()


def test_work_between_iterations_refuses_nothing() -> None:
    loop = Loop()
    shedder = loop.shedder(0.25)
    for iteration in range(5):
        loop.iteration = iteration
        shedder.check()
        loop.go_on(10, at_work=10)


def test_refusing_takes_an_eighth_of_the_work_at_most() -> None:
    """Even if thousands arrive at once and refusing costs half as much as deciding."""
    loop = Loop()
    shedder = loop.shedder(0.25)
    seconds = {"deciding": 0.0, "refusing": 0.0}
    for _ in range(1000):
        try:
            shedder.check()
            loop.go_on(0.006, at_work=0.006)
            seconds["deciding"] += 0.006
        except SaturatedError:
            loop.go_on(0.003, at_work=0.003)
            seconds["refusing"] += 0.003
    assert seconds["refusing"] / (seconds["refusing"] + seconds["deciding"]) == pytest.approx(0.13, abs=0.01)


def test_an_iteration_without_cpu_time_refuses_nothing() -> None:
    loop = Loop()
    shedder = loop.shedder(0.25)
    shedder.check()
    loop.go_on(10, at_work=0.09)
    shedder.check()


def test_without_an_event_loop_nothing_is_refused() -> None:
    loop = Loop()
    loop.iteration = None
    shedder = loop.shedder(0.25)
    for _ in range(5):
        shedder.check()
        loop.go_on(10, at_work=10)
