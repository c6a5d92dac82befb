"""The web worker's side: hands batches and explanations to the batch processes and keeps one of them running."""

import errno
import select
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import IO, Protocol

from loan_api.adapters.batches.memory_file import in_memory_file
from loan_api.adapters.batches.protocol import (
    Decided,
    ExplanationJob,
    Job,
    NotDone,
    Refused,
    Reply,
    receive_pieces,
    receive_reply,
    send_job,
)
from loan_api.adapters.ipc.connection_queue import ConnectionQueue, put
from loan_api.errors import (
    BatchFailedError,
    BatchTooLargeError,
    ClientGoneError,
    NotRecordedError,
    ReasonsUnavailableError,
    SaturatedError,
)
from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.codecs import LIGHT
from loan_api.formats.refusals import MalformedBodyError, Refusals, RequestRefusedError
from loan_api.services.batch_job import BatchJob, BatchSummary, run_batch
from loan_api.services.decision_log import BatchRecord
from loan_api.services.explanation import (
    Contributions,
    ContributionsJob,
    FoundChanges,
    Replayed,
    ReplayJob,
    WhatIfJob,
)
from loan_api.services.model_registry import ServedModel

# Deciding a batch this small takes a millisecond or two, less than handing it over. Arrow and Parquet are always handed
# over: they are compressed, and their library takes more memory than everything else in a worker.
_INLINE_BYTES = 65_536
# Raised at the limit of the process or of the machine.
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
_LOOK_AFTER_CLIENT_EVERY = 0.25
_LOOK_AFTER_PROCESS_EVERY = 1.0
# At startup the web worker goes first; a batch that arrives before this time starts the process.
_LEFT_TO_THE_WORKER_SECONDS = 3.0
_STEP_SECONDS = 20.0
# Time limit for a batch to wait for a process and be decided. A large one takes some hundredths of a second.
_BATCH_SECONDS = 60.0
# An explanation takes milliseconds; longer waits mean that the processes are busy with batches.
_EXPLANATION_SECONDS = 10.0
_ERRORS: Mapping[str, type[Exception]] = {
    "malformed": MalformedBodyError,
    "too_large": BatchTooLargeError,
    "not_recorded": NotRecordedError,
    "unexplained": ReasonsUnavailableError,
}
# A batch whose process is killed is handed to another one.
_ATTEMPTS = 3


class Process(Protocol):
    """A process that can be started."""

    def ensure_running(self) -> object:
        """Start the process if it is not running."""


class BatchProcesses:
    """Runs batches; `own` is the batch process that this worker keeps running.

    `record` records batches decided in this process; batch processes have their own connection to the recorder.
    """

    def __init__(
        self,
        codec: ApplicationCodec,
        queue: ConnectionQueue,
        own: Process,
        record: Callable[[BatchRecord], object],
    ) -> None:
        self._codec = codec
        self._queue = queue
        self._own = own
        self._record = record

    def start(self) -> None:
        """Keep this worker's own process running, from a background thread."""

        def keep_running() -> None:
            pause = threading.Event()
            pause.wait(_LEFT_TO_THE_WORKER_SECONDS)
            while True:
                self._own.ensure_running()
                pause.wait(_LOOK_AFTER_PROCESS_EVERY)

        threading.Thread(target=keep_running, name="batch-process", daemon=True).start()

    def run(
        self, job: BatchJob, body: Sequence[bytes], model: ServedModel, is_gone: Callable[[], bool]
    ) -> tuple[BatchSummary, Iterable[bytes]]:
        """Decide a batch whose body comes in pieces; return its summary and the pieces of its answer.

        Raises MalformedBodyError, RequestRefusedError, BatchTooLargeError, BatchFailedError, NotRecordedError,
        SaturatedError if no process is available, or ClientGoneError.
        """
        if sum(map(len, body)) <= _INLINE_BYTES and {job.accepts, job.answers} <= LIGHT:
            return run_batch(self._codec, job, b"".join(body), model.scorer, model.watched, self._record, is_gone)
        with _descriptors(), in_memory_file() as file:
            for piece in body:
                _write(file, piece)
            reply, pieces = self._hand_over(job, file, _BATCH_SECONDS, is_gone)
        if isinstance(reply, Decided):
            return reply.summary, pieces
        raise _error_of(reply)

    def contributions(self, job: ContributionsJob) -> Contributions:
        """Return the contribution of every group. Raises ReasonsUnavailableError or SaturatedError."""
        reply = self._explain(job)
        if isinstance(reply, Contributions):
            return reply
        raise _error_of(reply)

    def changes(self, job: WhatIfJob) -> FoundChanges:
        """Return the smallest changes that would reverse a refusal. Raises the same."""
        reply = self._explain(job)
        if isinstance(reply, FoundChanges):
            return reply
        raise _error_of(reply)

    def replayed(self, job: ReplayJob) -> Replayed:
        """Return the probability as the model computes it now. Raises the same."""
        reply = self._explain(job)
        if isinstance(reply, Replayed):
            return reply
        raise _error_of(reply)

    def _explain(self, job: ExplanationJob) -> Reply:
        with _descriptors():
            return self._hand_over(job, None, _EXPLANATION_SECONDS, is_gone=lambda: False)[0]

    def _hand_over(
        self, job: Job, body: IO[bytes] | None, seconds: float, is_gone: Callable[[], bool]
    ) -> tuple[Reply, Iterable[bytes]]:
        for _ in range(_ATTEMPTS):
            self._own.ensure_running()
            connection, theirs = socket.socketpair()
            with connection:
                # Each step is short; a process that hangs must be detected.
                connection.settimeout(_STEP_SECONDS)
                try:
                    with theirs:
                        # The job fits into the buffer, even with the longest policy, so the process finds it there.
                        send_job(connection, job)
                        put(self._queue.sending, theirs, body)
                    reply = self._await_reply(connection, seconds, is_gone)
                    # Receive the whole answer first, because a slow client must not occupy a process.
                    return reply, list(receive_pieces(connection)) if isinstance(reply, Decided) else ()
                except (ConnectionError, TimeoutError):
                    continue
        raise SaturatedError("No batch process is available at the moment.")

    def _await_reply(self, connection: socket.socket, seconds: float, is_gone: Callable[[], bool]) -> Reply:
        deadline = monotonic() + seconds
        while monotonic() < deadline:
            readable, _, _ = select.select([connection], [], [], _LOOK_AFTER_CLIENT_EVERY)
            if readable:
                return receive_reply(connection)
            if is_gone():
                raise ClientGoneError("the client is gone")
            self._own.ensure_running()
        raise SaturatedError("The request could not be served in time.")


@contextmanager
def _descriptors() -> Iterator[None]:
    """Turn a lack of file descriptors within the block into SaturatedError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_DESCRIPTORS:
            raise
        raise SaturatedError("There are more connections than can be served at the moment.") from error


def _error_of(reply: Reply) -> Exception:
    if isinstance(reply, Refused):
        counts = {(field, reason): times for field, reason, times in reply.counts}
        return RequestRefusedError(Refusals(reply.total, counts, reply.shown))
    if isinstance(reply, NotDone) and reply.reason in _ERRORS:
        return _ERRORS[reply.reason](reply.message)
    why = reply.message if isinstance(reply, NotDone) else type(reply).__name__
    return BatchFailedError(f"a batch process failed with {why}")


def _write(file: IO[bytes], piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]
