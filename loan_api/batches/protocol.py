"""What a web worker and a batch process say to each other over a socket of their own for each batch.

The worker sends the job, the process answers with one reply and, where the batch is decided, the pieces of the answer.
Everything is MessagePack or raw bytes behind their length. The batch itself comes as a file with the socket.
"""

import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from loan_api.services.batch_job import BatchJob, BatchSummary

_LENGTH = struct.Struct("!Q")
_encoder = msgspec.msgpack.Encoder()
_job_decoder = msgspec.msgpack.Decoder(BatchJob)


class Decided(msgspec.Struct, frozen=True, tag=True):
    """The batch is decided; the pieces of the answer follow."""

    summary: BatchSummary


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The applications are not valid: what `Refusals` holds, its counts as triples."""

    total: int
    counts: Sequence[tuple[str, str, int]]
    shown: Sequence[Mapping[str, str]]


class NotDone(msgspec.Struct, frozen=True, tag=True):
    """Why the batch is not decided, in a sentence that is safe to show, but for `failed`."""

    why: Literal["malformed", "too_large", "failed"]
    says: str


Reply = Decided | Refused | NotDone
_reply_decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def send_job(connection: socket.socket, job: BatchJob) -> None:
    """To the batch process."""
    _send(connection, _encoder.encode(job))


def receive_job(connection: socket.socket) -> BatchJob:
    """From the worker. Raises ConnectionError where it hangs up."""
    return _job_decoder.decode(_receive(connection))


def send_reply(connection: socket.socket, reply: Reply) -> None:
    """To the worker."""
    _send(connection, _encoder.encode(reply))


def receive_reply(connection: socket.socket) -> Reply:
    """From the batch process. Raises ConnectionError where it hangs up."""
    return _reply_decoder.decode(_receive(connection))


def send_pieces(connection: socket.socket, pieces: Iterator[bytes]) -> None:
    """The answer, to the worker."""
    for piece in pieces:
        _send(connection, piece)
    _send(connection, b"")


def receive_pieces(connection: socket.socket) -> Iterator[bytes]:
    """The answer, from the batch process. Raises ConnectionError where it hangs up before the end."""
    while piece := _receive(connection):
        yield bytes(piece)


def _send(connection: socket.socket, content: bytes) -> None:
    connection.sendall(_LENGTH.pack(len(content)))
    connection.sendall(content)


def _receive(connection: socket.socket) -> bytearray:
    (length,) = _LENGTH.unpack(_receive_exactly(connection, _LENGTH.size))
    return _receive_exactly(connection, length)


def _receive_exactly(connection: socket.socket, length: int) -> bytearray:
    content = bytearray(length)
    rest = memoryview(content)
    while rest:
        received = connection.recv_into(rest)
        if received == 0:
            raise ConnectionError("the other side has hung up")
        rest = rest[received:]
    return content
