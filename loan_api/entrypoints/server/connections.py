"""How many connections each worker has open, so that they take turns at accepting.

Workers wait on one listening socket, and whoever wakes first accepts. Left alone, one of them may end up with every
connection of a busy client while the others have nothing to do. Standard library only: gunicorn's master makes it.
"""

import mmap
import struct
from collections.abc import Callable
from time import thread_time

# Twice as many as there can be workers: while they are replaced, old and new live side by side.
_SLOTS = 512
_COUNT = struct.Struct("i")
_ABSENT = -1
# A worker that has fewer connections may be busy; then another takes the connection after all.
_PATIENCE_SECONDS = 0.002


class Connections:
    """A count for each worker slot, in memory that is shared with every process forked later."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SLOTS * _COUNT.size)
        for slot in range(_SLOTS):
            self._set(slot, _ABSENT)

    def join(self, slot: int) -> None:
        """A worker starts accepting."""
        self._set(slot, 0)

    def leave(self, slot: int) -> None:
        """A worker accepts no more."""
        self._set(slot, _ABSENT)

    def opened(self, slot: int) -> None:
        """The worker has accepted a connection."""
        self._set(slot, max(self._get(slot), 0) + 1)

    def closed(self, slot: int) -> None:
        """A connection of the worker has ended."""
        if self._get(slot) > 0:
            self._set(slot, self._get(slot) - 1)

    def has_fewest(self, slot: int) -> bool:
        """Whether no worker has fewer connections open than this one."""
        counts = [count for (count,) in _COUNT.iter_unpack(self._memory) if count != _ABSENT]
        return self._get(slot) <= min(counts, default=0)

    def _get(self, slot: int) -> int:
        count: int = _COUNT.unpack_from(self._memory, slot * _COUNT.size)[0]
        return count

    def _set(self, slot: int, count: int) -> None:
        _COUNT.pack_into(self._memory, slot * _COUNT.size, count)


class Turn:
    """One worker's turn at accepting connections.

    `turn_of_the_loop` tells which turn the loop is in that accepts, `worked` the seconds that its thread has worked.
    """

    def __init__(
        self,
        connections: Connections,
        slot: int,
        turn_of_the_loop: Callable[[], int | None],
        worked: Callable[[], float] = thread_time,
    ) -> None:
        self._connections = connections
        self._slot = slot
        self._turn_of_the_loop = turn_of_the_loop
        self._worked = worked
        self._last_asked: int | None = None
        self._patient_since = 0.0

    def has_come(self) -> bool:
        """Whether this worker should accept a connection that is waiting now.

        If it is not its turn, then once for each time that its patience has ended while there was one waiting: work
        that takes a worker longer than that may take the others as long.
        """
        if self._connections.has_fewest(self._slot):
            self._last_asked = None
            return True
        turn, worked = self._turn_of_the_loop(), self._worked()
        if self._last_asked is None or turn is None or turn > self._last_asked + 1:
            self._patient_since = worked
        self._last_asked = turn
        if worked - self._patient_since < _PATIENCE_SECONDS:
            return False
        self._patient_since += _PATIENCE_SECONDS
        return True

    def was_taken(self) -> None:
        """A connection was accepted."""
        self._connections.opened(self._slot)

    def was_not_needed(self) -> None:
        """No connection was waiting."""
        self._last_asked = None
