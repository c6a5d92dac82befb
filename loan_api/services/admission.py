"""How much is taken on at a time: what is beyond waits a little, and is then sent away."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, process_time, sleep

from loan_api.credit.errors import SaturatedError


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
    """How late this process is with what it has to do: the time by which a short sleep ends too late.

    Only what lasts counts: one late look may be a hiccup of the machine, and refusing would make it worse. A look that
    is itself late for as long as several would be lasts, too, where this process was at work meanwhile.
    """

    _LOOK_EVERY = 0.05
    _LOOKS = 3

    def __init__(
        self, limit: float, now: Callable[[], float] = monotonic, worked: Callable[[], float] = process_time
    ) -> None:
        self._limit = limit
        self._now = now
        self._worked = worked
        self._late = deque([0.0] * self._LOOKS, maxlen=self._LOOKS)
        self._began = float("inf")
        self._worked_before = 0.0

    def check(self) -> None:
        """Raises SaturatedError while the process is, look after look, later than the limit, in seconds."""
        if min(self._late) > self._limit or self._lasts():
            raise SaturatedError("There are more requests than can be answered in time.")

    def watch(self) -> None:
        """Measures again and again and never returns; for a thread of its own."""
        pause = threading.Event()
        while True:
            self._begin()
            pause.wait(self._LOOK_EVERY)
            # What is ready to go on waits for its turn, which a timer does not.
            sleep(0)
            self._end()

    @property
    def _lateness(self) -> float:
        return self._now() - self._began - self._LOOK_EVERY

    def _lasts(self) -> bool:
        """Whether the look under way is late as `_LOOKS` of them would be, and not for want of a processor."""
        return self._lateness > self._LOOKS * self._limit and self._worked() - self._worked_before > self._limit

    def _begin(self) -> None:
        self._worked_before, self._began = self._worked(), self._now()

    def _end(self) -> None:
        self._late.extend([self._lateness] * (self._LOOKS if self._lasts() else 1))
