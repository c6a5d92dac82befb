"""What a web worker and a batch process say to each other over a socket of their own for each batch.

The worker sends the job, the process answers with one reply and, where the batch is decided, the pieces of the answer.
Everything is MessagePack or raw bytes behind their length. The batch itself comes as a file with the socket.
"""

import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from loan_api.adapters.ipc.messages import receive_message, send_message
from loan_api.services.batch_job import BatchJob, BatchSummary

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

    why: Literal["malformed", "too_large", "not_recorded", "failed"]
    says: str


Reply = Decided | Refused | NotDone
_reply_decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def send_job(connection: socket.socket, job: BatchJob) -> None:
    """To the batch process."""
    send_message(connection, _encoder.encode(job))


def receive_job(connection: socket.socket) -> BatchJob:
    """From the worker. Raises ConnectionError where it hangs up."""
    return _job_decoder.decode(receive_message(connection))


def send_reply(connection: socket.socket, reply: Reply) -> None:
    """To the worker."""
    send_message(connection, _encoder.encode(reply))


def receive_reply(connection: socket.socket) -> Reply:
    """From the batch process. Raises ConnectionError where it hangs up."""
    return _reply_decoder.decode(receive_message(connection))


def send_pieces(connection: socket.socket, pieces: Iterator[bytes]) -> None:
    """The answer, to the worker."""
    for piece in pieces:
        send_message(connection, piece)
    send_message(connection, b"")


def receive_pieces(connection: socket.socket) -> Iterator[bytes]:
    """The answer, from the batch process. Raises ConnectionError where it hangs up before the end."""
    while piece := receive_message(connection):
        yield bytes(piece)
