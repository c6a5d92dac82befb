"""Protocol between a web worker and a batch process, on one socket per job: a batch to decide or a decision to explain.

The worker sends the job. The process sends one reply and, if it decided a batch, the pieces of the answer. Messages are
MessagePack or raw bytes, prefixed by their length. A batch itself is a file that is passed with the socket.
"""

import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from loan_api.adapters.ipc.messages import receive_message, send_message
from loan_api.services.batch_job import BatchJob, BatchSummary
from loan_api.services.explanation import (
    Contributions,
    ContributionsJob,
    FoundChanges,
    Replayed,
    ReplayJob,
    WhatIfJob,
)

_encoder = msgspec.msgpack.Encoder()


class Decided(msgspec.Struct, frozen=True, tag=True):
    """The batch was decided; the pieces of the answer follow."""

    summary: BatchSummary


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The applications are not valid: the content of `Refusals`, with its counts as triples."""

    total: int
    counts: Sequence[tuple[str, str, int]]
    shown: Sequence[Mapping[str, str]]


class NotDone(msgspec.Struct, frozen=True, tag=True):
    """The reason why a job was not done, in a sentence that is safe to show unless `reason` is `failed`."""

    reason: Literal["malformed", "too_large", "not_recorded", "unexplained", "failed"]
    message: str


ExplanationJob = ContributionsJob | WhatIfJob | ReplayJob
Job = BatchJob | ExplanationJob
Reply = Decided | Contributions | FoundChanges | Replayed | Refused | NotDone
_job_decoder: msgspec.msgpack.Decoder[Job] = msgspec.msgpack.Decoder(Job)
_reply_decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def send_job(connection: socket.socket, job: Job) -> None:
    """Send the job to the batch process."""
    send_message(connection, _encoder.encode(job))


def receive_job(connection: socket.socket) -> Job:
    """Receive the job from the worker. Raises ConnectionError if it hangs up."""
    return _job_decoder.decode(receive_message(connection))


def send_reply(connection: socket.socket, reply: Reply) -> None:
    """Send the reply to the worker."""
    send_message(connection, _encoder.encode(reply))


def receive_reply(connection: socket.socket) -> Reply:
    """Receive the reply from the batch process. Raises ConnectionError if it hangs up."""
    return _reply_decoder.decode(receive_message(connection))


def send_pieces(connection: socket.socket, pieces: Iterator[bytes]) -> None:
    """Send the answer to the worker."""
    for piece in pieces:
        send_message(connection, piece)
    send_message(connection, b"")


def receive_pieces(connection: socket.socket) -> Iterator[bytes]:
    """Receive the answer from the batch process. Raises ConnectionError if it hangs up before the end."""
    while piece := receive_message(connection):
        yield bytes(piece)
