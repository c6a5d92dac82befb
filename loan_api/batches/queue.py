"""The queue that web workers and batch processes share: whichever process is idle takes the next batch.

It is a pair of datagram sockets made before the workers are forked. A message is a file with the batch, and one end of
the socket that worker and process will talk over. The kernel holds the queue, so it outlives any of them.
"""

import os
import socket
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Self

# The descriptors of the two ends, handed from the master to the workers.
VARIABLE = "LOAN_BATCH_QUEUE"
_MESSAGE = b"batch"
_FULL_SECONDS = 20.0


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

    def put(self, connection: socket.socket, body: IO[bytes]) -> None:
        """Adds one end of a socket and the file with the batch.

        Waits while the queue is full, and raises TimeoutError where that takes too long.
        """
        self.sending.settimeout(_FULL_SECONDS)
        socket.send_fds(self.sending, [_MESSAGE], [connection.fileno(), body.fileno()])

    def close(self) -> None:
        """Gives the ends back."""
        self.sending.close()
        self.receiving.close()


def take(receiving: socket.socket) -> tuple[socket.socket, IO[bytes]] | None:
    """The socket and the file that were put in first; None where another process was quicker."""
    try:
        _, descriptors, _, _ = socket.recv_fds(receiving, len(_MESSAGE), 2, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    connection, body = descriptors
    return socket.socket(fileno=connection), os.fdopen(body, "rb")


def in_memory_file() -> IO[bytes]:
    """A file that lies in memory where the system has such files, and is gone once nobody has it open."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("batch"), "w+b", buffering=0)
    return TemporaryFile(buffering=0)
