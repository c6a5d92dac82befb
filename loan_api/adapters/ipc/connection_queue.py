"""A queue of connections that many processes fill and many empty.

A message is one end of a socket over which the two sides will talk, with or without a file. The queue is a pair of
datagram sockets created before the workers are forked; the kernel holds its content, so it outlives every process.
"""

import os
import socket
from dataclasses import dataclass
from typing import IO, NamedTuple, Self

_MESSAGE = b"connection"
_FULL_SECONDS = 20.0


class Ends(NamedTuple):
    """The descriptors of both ends of a queue, or of a pipe."""

    sending: int
    receiving: int


@dataclass(frozen=True)
class ConnectionQueue:
    """Both ends of the queue, as sockets of this process."""

    sending: socket.socket
    receiving: socket.socket

    @classmethod
    def make(cls) -> Self:
        """Return a new, empty queue."""
        return cls(*socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))

    @classmethod
    def of(cls, ends: Ends) -> Self:
        """Return a queue on duplicates of these descriptors."""
        return cls(*(socket.socket(fileno=os.dup(descriptor)) for descriptor in ends))

    def detach(self) -> Ends:
        """Return the descriptors, which `close` and garbage collection then leave open."""
        return Ends(self.sending.detach(), self.receiving.detach())

    def close(self) -> None:
        """Close both ends."""
        self.sending.close()
        self.receiving.close()


def put(sending: socket.socket, connection: socket.socket, file: IO[bytes] | None = None) -> None:
    """Add one end of a socket, with a file if given, waiting while the queue is full.

    Raises TimeoutError if it stays full.
    """
    sending.settimeout(_FULL_SECONDS)
    descriptors = [connection.fileno()] if file is None else [connection.fileno(), file.fileno()]
    socket.send_fds(sending, [_MESSAGE], descriptors)


def take(receiving: socket.socket) -> socket.socket | None:
    """Return the oldest socket in the queue; None if it is empty, for example because another process was faster."""
    taken = _take(receiving)
    return None if taken is None else socket.socket(fileno=taken[0])


def take_with_file(receiving: socket.socket) -> tuple[socket.socket, IO[bytes] | None] | None:
    """Return the oldest socket in the queue and its file, if it has one; None if the queue is empty."""
    taken = _take(receiving)
    if taken is None:
        return None
    connection, *files = taken
    return socket.socket(fileno=connection), os.fdopen(files[0], "rb") if files else None


def _take(receiving: socket.socket) -> list[int] | None:
    # `recv_fds` ignores MSG_DONTWAIT, so the socket itself has to be non-blocking.
    receiving.setblocking(False)
    try:
        _, descriptors, _, _ = socket.recv_fds(receiving, len(_MESSAGE), 2)
    except BlockingIOError:
        return None
    return descriptors
