"""A queue of connections that many processes put in and others take out.

It is a pair of datagram sockets made before the workers are forked. A message is one end of a socket that the two sides
will talk over, with a file or without. The kernel holds the queue, so it outlives any of them.
"""

import os
import socket
from dataclasses import dataclass
from typing import IO, Self

# The environment variables that name the descriptors of the two ends, handed from the master to the workers.
BATCHES = "LOAN_BATCH_QUEUE"
RECORDER = "LOAN_RECORDER_QUEUE"
_MESSAGE = b"connection"
_FULL_SECONDS = 20.0


@dataclass(frozen=True)
class ConnectionQueue:
    """Both ends of the queue."""

    sending: socket.socket
    receiving: socket.socket

    @classmethod
    def make(cls) -> Self:
        """A new, empty queue."""
        return cls(*socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))

    @classmethod
    def inherited(cls, variable: str) -> Self:
        """The queue that the master has made and named in `variable`; outside gunicorn, one of this process alone."""
        descriptors = os.environ.get(variable)
        if descriptors is None:
            return cls.make()
        sending, receiving = (socket.socket(fileno=os.dup(int(descriptor))) for descriptor in descriptors.split(","))
        return cls(sending, receiving)

    def hand_on(self, variable: str) -> None:
        """Names the queue in `variable` for the processes that are forked later."""
        os.environ[variable] = f"{self.sending.detach()},{self.receiving.detach()}"

    def close(self) -> None:
        """Gives the ends back."""
        self.sending.close()
        self.receiving.close()


def put(sending: socket.socket, connection: socket.socket, file: IO[bytes] | None = None) -> None:
    """Adds one end of a socket, and a file. Waits while the queue is full; raises TimeoutError after long."""
    sending.settimeout(_FULL_SECONDS)
    descriptors = [connection.fileno()] if file is None else [connection.fileno(), file.fileno()]
    socket.send_fds(sending, [_MESSAGE], descriptors)


def take(receiving: socket.socket) -> socket.socket | None:
    """The socket that was put in first; None where another process was quicker."""
    taken = _take(receiving)
    return None if taken is None else socket.socket(fileno=taken[0])


def take_with_file(receiving: socket.socket) -> tuple[socket.socket, IO[bytes]] | None:
    """The same, with the file that it came with."""
    taken = _take(receiving)
    return None if taken is None else (socket.socket(fileno=taken[0]), os.fdopen(taken[1], "rb"))


def _take(receiving: socket.socket) -> list[int] | None:
    # `recv_fds` passes over the flag that would say so for one call.
    receiving.setblocking(False)
    try:
        _, descriptors, _, _ = socket.recv_fds(receiving, len(_MESSAGE), 2)
    except BlockingIOError:
        return None
    return descriptors
