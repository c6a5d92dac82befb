"""What is beyond the limits waits a little and is sent away; everything is given back."""

import threading
import time
from contextlib import suppress

import pytest

from loan_api.errors import SaturatedError
from loan_api.services.admission import Backlog, ByteBudget


def test_what_fits_is_let_in_at_once() -> None:
    budget = ByteBudget(100, queue_length=0, patience=0)
    with budget.holding() as first, budget.holding() as second:
        first.grow(30)
        second.grow(40)
        first.grow(30)


def test_what_does_not_fit_in_time_is_sent_away() -> None:
    budget = ByteBudget(100, queue_length=1, patience=0.01)
    with budget.holding() as first, budget.holding() as second:
        first.grow(60)
        with pytest.raises(SaturatedError, match="more batches"):
            second.grow(41)
        second.grow(40)


def test_the_first_is_always_let_in_so_that_one_is_finished() -> None:
    budget = ByteBudget(100, queue_length=1, patience=0)
    with budget.holding() as second:
        with budget.holding() as third:
            second.grow(60)
            with pytest.raises(SaturatedError):
                third.grow(60)
        second.grow(1000)


def test_what_is_announced_but_does_not_come_takes_no_room() -> None:
    budget = ByteBudget(100, queue_length=0, patience=0)
    with budget.holding(), budget.holding(), budget.holding() as third:
        third.grow(100)


def test_what_waits_is_let_in_as_soon_as_there_is_room() -> None:
    budget = ByteBudget(100, queue_length=1, patience=10)
    inside, leave, second = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with budget.holding() as holding:
            holding.grow(100)
            inside.set()
            leave.wait(10)

    def other() -> None:
        with budget.holding() as holding:
            holding.grow(100)
            second.set()

    threads = [threading.Thread(target=first), threading.Thread(target=other)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    assert not second.wait(0.05)
    leave.set()
    assert second.wait(10)
    for thread in threads:
        thread.join(10)


def test_more_than_the_queue_holds_is_sent_away_at_once() -> None:
    budget = ByteBudget(100, queue_length=0, patience=10)
    started = time.monotonic()
    with budget.holding() as first, budget.holding() as second:
        first.grow(100)
        with pytest.raises(SaturatedError, match="waiting already"):
            second.grow(1)
    assert time.monotonic() - started < 5


def test_room_is_given_back_after_an_error() -> None:
    budget = ByteBudget(100, queue_length=0, patience=0)
    for _ in range(3):
        with suppress(KeyError), budget.holding(), budget.holding() as second:
            second.grow(100)
            raise KeyError


class Loop:
    """The turns of a loop, the time and the work in it, in seconds."""

    def __init__(self) -> None:
        self.turn: int | None = 1
        self.now = 100.0
        self.worked = 10.0

    def backlog(self, limit: float) -> Backlog:
        return Backlog(limit, lambda: self.turn, lambda: self.now, lambda: self.worked)

    def go_on(self, seconds: float, *, at_work: float) -> None:
        self.now += seconds
        self.worked += at_work


def test_who_comes_late_in_a_turn_is_sent_away_until_the_next() -> None:
    loop = Loop()
    backlog = loop.backlog(0.25)
    loop.turn = 2
    for _ in range(3):
        backlog.check()
        loop.go_on(0.1, at_work=0.1)
    for _ in range(3):
        with pytest.raises(SaturatedError, match="in time"):
            backlog.check()
    loop.turn = 3
    backlog.check()


def test_what_was_done_between_two_turns_keeps_nobody_waiting() -> None:
    loop = Loop()
    backlog = loop.backlog(0.25)
    for turn in range(5):
        loop.turn = turn
        backlog.check()
        loop.go_on(10, at_work=10)


def test_refusing_takes_an_eighth_of_the_work_at_most() -> None:
    """However many have come at a time, and however little is saved by refusing them."""
    loop = Loop()
    backlog = loop.backlog(0.25)
    seconds = {"deciding": 0.0, "refusing": 0.0}
    for _ in range(1000):
        try:
            backlog.check()
            loop.go_on(0.006, at_work=0.006)
            seconds["deciding"] += 0.006
        except SaturatedError:
            loop.go_on(0.003, at_work=0.003)
            seconds["refusing"] += 0.003
    assert seconds["refusing"] / (seconds["refusing"] + seconds["deciding"]) == pytest.approx(0.13, abs=0.01)


def test_a_turn_without_a_processor_sends_nobody_away() -> None:
    loop = Loop()
    backlog = loop.backlog(0.25)
    backlog.check()
    loop.go_on(10, at_work=0.09)
    backlog.check()


def test_where_no_loop_has_turns_nobody_is_sent_away() -> None:
    loop = Loop()
    loop.turn = None
    backlog = loop.backlog(0.25)
    for _ in range(5):
        backlog.check()
        loop.go_on(10, at_work=10)
