"""What is beyond the limits waits a little and is sent away; everything is given back."""

import threading
import time

import pytest

from loan_api.credit.errors import SaturatedError
from loan_api.services.admission import Backlog, ByteBudget


def test_what_fits_is_let_in_at_once() -> None:
    budget = ByteBudget(100, queue_length=1, patience=0)
    with budget.reserve(60), budget.reserve(40):
        pass


def test_what_does_not_fit_in_time_is_sent_away() -> None:
    budget = ByteBudget(100, queue_length=1, patience=0.01)
    with budget.reserve(60), pytest.raises(SaturatedError), budget.reserve(41):
        pass


def test_what_waits_is_let_in_as_soon_as_there_is_room() -> None:
    budget = ByteBudget(100, queue_length=1, patience=10)
    inside, leave, second = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with budget.reserve(100):
            inside.set()
            leave.wait(10)

    def other() -> None:
        with budget.reserve(100):
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
    with pytest.raises(SaturatedError), budget.reserve(1):
        pass
    assert time.monotonic() - started < 5


def test_room_is_given_back_after_an_error() -> None:
    budget = ByteBudget(100, queue_length=1, patience=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), budget.reserve(100):
            raise ZeroDivisionError


def test_a_batch_larger_than_all_the_room_takes_all_of_it() -> None:
    budget = ByteBudget(100, queue_length=1, patience=0)
    with budget.reserve(1000), pytest.raises(SaturatedError), budget.reserve(1):
        pass


def test_a_process_that_is_on_time_takes_requests() -> None:
    backlog = Backlog(limit=60)
    backlog.watch()
    backlog.check()


def test_a_process_that_is_late_sends_requests_away() -> None:
    backlog = Backlog(limit=-1)
    with pytest.raises(SaturatedError):
        backlog.check()
