"""The queue that web workers and batch processes share: whichever process is idle takes the next batch.

It is a pair of datagram sockets made before the workers are forked. A message is one end of the socket that worker and
process will talk over. The kernel holds the queue, so it outlives any of them.
"""

import os
import socket
from dataclasses import dataclass
from typing import Self

# The descriptors of the two ends, handed from the master to the workers.
VARIABLE = "LOAN_BATCH_QUEUE"
_MESSAGE = b"batch"


@dataclass(frozen=True)
class BatchQueue:
    """Both ends of the queue."""

    sending: socket.socket
    receiving: socket.socket

    @classmethod
    def make(cls) -> Self:
        """A new, empty queue."""
        return cls(*socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))

    @classmethod
    def inherited(cls) -> Self:
        """The queue that the master has made; outside gunicorn, one of this process alone."""
        descriptors = os.environ.get(VARIABLE)
        if descriptors is None:
            return cls.make()
        sending, receiving = (socket.socket(fileno=os.dup(int(descriptor))) for descriptor in descriptors.split(","))
        return cls(sending, receiving)

    def put(self, connection: socket.socket) -> None:
        """Adds one end of a socket; waits while the queue is full."""
        socket.send_fds(self.sending, [_MESSAGE], [connection.fileno()])


def take(receiving: socket.socket) -> socket.socket | None:
    """The socket that was put in first; None where another process was quicker."""
    try:
        _, descriptors, _, _ = socket.recv_fds(receiving, len(_MESSAGE), 1, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    return socket.socket(fileno=descriptors[0]) if descriptors else None
