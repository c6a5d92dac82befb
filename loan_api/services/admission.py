"""How much is taken on at a time: what is beyond waits a little, and is then sent away."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from loan_api.credit.errors import SaturatedError


class ByteBudget:
    """Lets at most `capacity` bytes be held at a time; at most `queue_length` callers wait, for `patience` seconds."""

    def __init__(self, capacity: int, queue_length: int, patience: float) -> None:
        self._capacity = capacity
        self._queue_length = queue_length
        self._patience = patience
        self._held = 0
        self._waiting = 0
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, amount: int) -> Iterator[None]:
        """Holds `amount` bytes, at most all of the capacity, while the block runs. Raises SaturatedError."""
        amount = min(amount, self._capacity)
        self._take(amount)
        try:
            yield
        finally:
            with self._changed:
                self._held -= amount
                self._changed.notify_all()

    def _take(self, amount: int) -> None:
        with self._changed:
            if self._waiting >= self._queue_length:
                raise SaturatedError("Too many batches are waiting already.")
            deadline = monotonic() + self._patience
            self._waiting += 1
            try:
                while self._held + amount > self._capacity:
                    if not self._changed.wait(deadline - monotonic()) and monotonic() >= deadline:
                        raise SaturatedError("There are more batches than can be decided at the moment.")
            finally:
                self._waiting -= 1
            self._held += amount


class Backlog:
    """How late this process is with what it has to do: the time by which a short sleep ends too late."""

    _LOOK_EVERY = 0.05

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._late = 0.0

    def watch(self) -> None:
        """Measures from a background thread for as long as the process lives."""
        threading.Thread(target=self._measure, name="backlog", daemon=True).start()

    def check(self) -> None:
        """Raises SaturatedError while the process is later than the limit, in seconds."""
        if self._late > self._limit:
            raise SaturatedError("There are more requests than can be answered in time.")

    def _measure(self) -> None:
        pause = threading.Event()
        while True:
            started = monotonic()
            pause.wait(self._LOOK_EVERY)
            self._late = monotonic() - started - self._LOOK_EVERY
