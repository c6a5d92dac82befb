"""Admission control: limits on memory for batches and on explanations, and load shedding for single requests."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, thread_time

from loan_api.errors import SaturatedError


class ByteBudget:
    """Limits the bytes held at a time to about `capacity`; up to `queue_length` holders wait for `patience` seconds.

    Bytes count when they arrive, not when they are announced. The oldest holder never waits, so that one always
    finishes; its bytes may exceed the capacity a little.
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
        """Provide an empty holding, whose bytes are released at the end of the block."""
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
        """Add `amount` bytes as soon as there is room. Raises SaturatedError if there is no room in time."""
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
                    raise SaturatedError("Too many batches are in progress.")
                self._changed.wait(deadline - monotonic())
        finally:
            self._waiting -= 1


class Holding:
    """The bytes of one holder."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self.amount = 0

    def grow(self, amount: int) -> None:
        """Add `amount` bytes as `ByteBudget.grow` does."""
        self._budget.grow(self, amount)


class Places:
    """Limits the number of explanations in progress."""

    def __init__(self, number: int) -> None:
        self._free = threading.BoundedSemaphore(number)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take a place for the duration of the block. Raises SaturatedError if none is free."""
        if not self._free.acquire(blocking=False):
            raise SaturatedError("Too many explanations are in progress.")
        try:
            yield
        finally:
            self._free.release()


class LoadShedder:
    """Refuses requests that are reached late in an iteration of the event loop.

    In one iteration, the loop serves every connection that had data when it began, one after another. A request reached
    late has waited for all the others. If an iteration is long because the process got no CPU time, nothing is refused,
    as refusing would not shorten it. `limit` is in seconds; `iteration` returns the number of the current iteration, or
    None without an event loop.
    """

    # Minimum CPU time of the process, as a fraction of the limit.
    _MIN_WORK = 0.4
    # Cap on time spent refusing, as a fraction of time spent deciding.
    _MAX_REFUSING = 0.15

    def __init__(
        self,
        limit: float,
        iteration: Callable[[], int | None],
        now: Callable[[], float] = monotonic,
        worked: Callable[[], float] = thread_time,
    ) -> None:
        self._limit = limit
        self._iteration = iteration
        self._now = now
        self._worked = worked
        self._current: int | None = None
        self._began = self._worked_before = self._deciding = self._refusing = 0.0
        self._is_refusing = False

    def check(self) -> None:
        """Raise SaturatedError if this iteration has exceeded the limit because of its own work."""
        iteration = self._iteration()
        if iteration != self._current:
            self._current, self._began, self._worked_before = iteration, self._now(), self._worked()
            self._deciding = self._refusing = 0.0
            self._is_refusing = False
        elif iteration is not None and self._now() - self._began > self._limit:
            self._update()
            if self._is_refusing:
                raise SaturatedError("There are more requests than can be answered in time.")

    def _update(self) -> None:
        """Attribute the work since the last call, and choose between deciding and refusing."""
        worked = self._worked()
        if self._is_refusing:
            self._refusing += worked - self._worked_before
        else:
            self._deciding += worked - self._worked_before
        self._worked_before = worked
        self._is_refusing = (
            self._deciding > self._MIN_WORK * self._limit and self._refusing < self._MAX_REFUSING * self._deciding
        )
