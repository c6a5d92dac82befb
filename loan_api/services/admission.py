"""How much is taken on at a time: what is beyond waits a little, and is then sent away."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, thread_time

from loan_api.errors import SaturatedError


class ByteBudget:
    """Lets about `capacity` bytes be held at a time; at most `queue_length` holders wait, for `patience` seconds.

    Bytes count when they are here, not when they are announced. The holder that came first never waits, so that one is
    always finished: by that, a little more than the capacity may be held.
    """

    def __init__(self, capacity: int, queue_length: int, patience: float) -> None:
        self._capacity = capacity
        self._queue_length = queue_length
        self._patience = patience
        self._held = 0
        self._waiting = 0
        self._holders: list[Holding] = []
        self._changed = threading.Condition()

    @contextmanager
    def holding(self) -> Iterator["Holding"]:
        """What is held while the block runs; it starts with nothing."""
        holding = Holding(self)
        with self._changed:
            self._holders.append(holding)
        try:
            yield holding
        finally:
            with self._changed:
                self._holders.remove(holding)
                self._held -= holding.amount
                self._changed.notify_all()

    def grow(self, holding: "Holding", amount: int) -> None:
        """Holds `amount` bytes more, once there is room. Raises SaturatedError."""
        with self._changed:
            if not self._has_room(holding, amount):
                self._wait(holding, amount)
            holding.amount += amount
            self._held += amount

    def _has_room(self, holding: "Holding", amount: int) -> bool:
        return self._held + amount <= self._capacity or self._holders[0] is holding

    def _wait(self, holding: "Holding", amount: int) -> None:
        if self._waiting >= self._queue_length:
            raise SaturatedError("Too many batches are waiting already.")
        deadline = monotonic() + self._patience
        self._waiting += 1
        try:
            while not self._has_room(holding, amount):
                if monotonic() >= deadline:
                    raise SaturatedError("There are more batches than can be decided at the moment.")
                self._changed.wait(deadline - monotonic())
        finally:
            self._waiting -= 1


class Holding:
    """The bytes that one holder has."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self.amount = 0

    def grow(self, amount: int) -> None:
        """Holds `amount` bytes more. Raises SaturatedError."""
        self._budget.grow(self, amount)


class Backlog:
    """Sends those away that come late in a turn of the loop.

    A process that serves many connections from one loop takes what has arrived on all of them in one turn, one after
    the other, and learns of what arrives meanwhile in the next. Who comes late has waited for the work of all before.
    A turn that is long because the process was not given a processor sends nobody away: that would not shorten it.
    """

    # Of the limit, the part that the process itself must have worked.
    _LEAST_WORK = 0.4
    # Beside deciding. Where more have come at a time than can be refused by that, some more are decided.
    _MOST_REFUSING = 0.15

    def __init__(
        self,
        limit: float,
        turn: Callable[[], int | None],
        now: Callable[[], float] = monotonic,
        worked: Callable[[], float] = thread_time,
    ) -> None:
        self._limit = limit
        self._turn = turn
        self._now = now
        self._worked = worked
        self._current: int | None = None
        self._began = self._worked_before = self._deciding = self._refusing = 0.0
        self._is_refusing = False

    def check(self) -> None:
        """Raises SaturatedError where this turn lasts longer than the limit, in seconds, and work is the reason."""
        turn = self._turn()
        if turn != self._current:
            self._current, self._began, self._worked_before = turn, self._now(), self._worked()
            self._deciding = self._refusing = 0.0
            self._is_refusing = False
        elif turn is not None and self._now() - self._began > self._limit:
            self._weigh()
            if self._is_refusing:
                raise SaturatedError("There are more requests than can be answered in time.")

    def _weigh(self) -> None:
        """Adds the work since the last time to what it was done for, and finds what is to be done next."""
        worked = self._worked()
        if self._is_refusing:
            self._refusing += worked - self._worked_before
        else:
            self._deciding += worked - self._worked_before
        self._worked_before = worked
        self._is_refusing = (
            self._deciding > self._LEAST_WORK * self._limit and self._refusing < self._MOST_REFUSING * self._deciding
        )
