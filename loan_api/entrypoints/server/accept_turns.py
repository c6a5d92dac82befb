"""Turns at accepting connections, by which workers share the load.

All workers wait on one listening socket, and the first to wake accepts. Without turns, one worker may end up with every
connection of a busy client while the others are idle. Standard library only: gunicorn's master imports this module.
"""

import mmap
import struct
from collections.abc import Callable
from time import thread_time

# Twice the maximum number of workers, because old and new ones coexist during a reload.
_SLOTS = 512
_COUNT = struct.Struct("i")
_ABSENT = -1
# A worker with fewer connections may be busy; after this time another accepts in its place.
_PATIENCE_SECONDS = 0.002


class ConnectionCounts:
    """The number of open connections of each worker slot, in memory shared with all processes forked later."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SLOTS * _COUNT.size)
        for slot in range(_SLOTS):
            self._set(slot, _ABSENT)

    def join(self, slot: int) -> None:
        """Count the worker's connections from now on."""
        self._set(slot, 0)

    def leave(self, slot: int) -> None:
        """Ignore the worker, which no longer accepts."""
        self._set(slot, _ABSENT)

    def opened(self, slot: int) -> None:
        """Count a connection that the worker has accepted."""
        self._set(slot, max(self._get(slot), 0) + 1)

    def closed(self, slot: int) -> None:
        """Discount a connection of the worker that has ended."""
        if self._get(slot) > 0:
            self._set(slot, self._get(slot) - 1)

    def has_fewest(self, slot: int) -> bool:
        """Return True if no worker has fewer open connections."""
        counts = [count for (count,) in _COUNT.iter_unpack(self._memory) if count != _ABSENT]
        return self._get(slot) <= min(counts, default=0)

    def _get(self, slot: int) -> int:
        count: int = _COUNT.unpack_from(self._memory, slot * _COUNT.size)[0]
        return count

    def _set(self, slot: int, count: int) -> None:
        _COUNT.pack_into(self._memory, slot * _COUNT.size, count)


class AcceptTurns:
    """Decides whether one worker accepts a waiting connection or leaves it to another.

    `iteration` returns the number of the event loop's current iteration, `worked` the CPU seconds of its thread.
    """

    def __init__(
        self,
        counts: ConnectionCounts,
        slot: int,
        iteration: Callable[[], int | None],
        worked: Callable[[], float] = thread_time,
    ) -> None:
        self._counts = counts
        self._slot = slot
        self._iteration = iteration
        self._worked = worked
        self._last_asked: int | None = None
        self._patient_since = 0.0

    def should_accept(self) -> bool:
        """Return True if it is this worker's turn, or if the others have not used theirs.

        Others lose their turn once this worker has used CPU time beyond its patience while the connection waited: they
        may be as busy as this one.
        """
        if self._counts.has_fewest(self._slot):
            self._last_asked = None
            return True
        iteration, worked = self._iteration(), self._worked()
        if self._last_asked is None or iteration is None or iteration > self._last_asked + 1:
            self._patient_since = worked
        self._last_asked = iteration
        if worked - self._patient_since < _PATIENCE_SECONDS:
            return False
        self._patient_since += _PATIENCE_SECONDS
        return True

    def accepted(self) -> None:
        """Count a connection that was accepted."""
        self._counts.opened(self._slot)

    def nothing_waiting(self) -> None:
        """Forget the wait: no connection was left to accept."""
        self._last_asked = None
