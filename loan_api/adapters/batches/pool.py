"""The web worker's side: hands batches to the batch processes and sees to one of them."""

import errno
import select
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import IO, Protocol

from loan_api.adapters.batches.memory_file import in_memory_file
from loan_api.adapters.batches.protocol import Decided, NotDone, Refused, Reply, receive_pieces, receive_reply, send_job
from loan_api.adapters.ipc.connection_queue import ConnectionQueue, put
from loan_api.errors import (
    BatchFailedError,
    BatchTooLargeError,
    ClientGoneError,
    NotRecordedError,
    SaturatedError,
)
from loan_api.formats.codecs import LIGHT
from loan_api.formats.refusals import MalformedBodyError, Refusals, RequestRefusedError
from loan_api.scoring.scorer import ScoringModel
from loan_api.services.batch_job import BatchJob, BatchSummary, run_batch
from loan_api.services.decision_log import BatchRecord

# A batch this small is decided within a millisecond or two, which is less than handing it over takes. Tables say little
# by their size: they are packed, and what reads them weighs more than all else that a worker imports.
_INLINE_BYTES = 65_536
# Of the process, or of the machine.
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
_LOOK_AFTER_CLIENT_EVERY = 0.25
_LOOK_AFTER_PROCESS_EVERY = 1.0
# When everything starts at once, the worker that is to serve goes first; a batch that comes earlier starts the process.
_LEFT_TO_THE_WORKER_SECONDS = 3.0
_STEP_SECONDS = 20.0
# How long a batch may wait for a process and be worked on; a large one takes some hundredths of a second.
_BATCH_SECONDS = 60.0
# A process that is killed while it works takes its batch with it; the batch is handed to another.
_ATTEMPTS = 3


class Process(Protocol):
    """A process that can be started."""

    def ensure_running(self) -> object:
        """Starts it where it does not run."""


class BatchProcesses:
    """Runs batches; `own` is the batch process that this worker sees to.

    `record` keeps what is decided in this process; the others have their own way to the decision log.
    """

    def __init__(self, queue: ConnectionQueue, own: Process, record: Callable[[BatchRecord], object]) -> None:
        self._queue = queue
        self._own = own
        self._record = record

    def start(self) -> None:
        """Keeps this worker's own process running from a background thread for as long as the worker lives."""

        def keep_running() -> None:
            pause = threading.Event()
            pause.wait(_LEFT_TO_THE_WORKER_SECONDS)
            while True:
                self._own.ensure_running()
                pause.wait(_LOOK_AFTER_PROCESS_EVERY)

        threading.Thread(target=keep_running, name="batch-process", daemon=True).start()

    def run(
        self, job: BatchJob, body: Sequence[bytes], model: ScoringModel, is_gone: Callable[[], bool]
    ) -> tuple[BatchSummary, Iterable[bytes]]:
        """The summary of a batch that comes in pieces, and the pieces of its answer.

        Raises MalformedBodyError, RequestRefusedError, BatchTooLargeError, BatchFailedError, NotRecordedError,
        SaturatedError where no process can be had, or ClientGoneError.
        """
        if sum(map(len, body)) <= _INLINE_BYTES and {job.accepts, job.answers} <= LIGHT:
            return run_batch(job, b"".join(body), model, self._record, is_gone)
        try:
            with in_memory_file() as file:
                for piece in body:
                    _write(file, piece)
                return self._hand_over(job, file, is_gone)
        except OSError as error:
            if error.errno not in _NO_DESCRIPTORS:
                raise
            raise SaturatedError("There are more connections than can be served at the moment.") from error

    def _hand_over(
        self, job: BatchJob, body: IO[bytes], is_gone: Callable[[], bool]
    ) -> tuple[BatchSummary, Iterable[bytes]]:
        for _ in range(_ATTEMPTS):
            self._own.ensure_running()
            connection, theirs = socket.socketpair()
            with connection:
                # Each step is a matter of moments; what hangs is to be found out.
                connection.settimeout(_STEP_SECONDS)
                try:
                    with theirs:
                        put(self._queue.sending, theirs, body)
                    send_job(connection, job)
                    reply = self._await_reply(connection, is_gone)
                    if isinstance(reply, Decided):
                        # All of it at once: a client that reads slowly must not hold a process.
                        return reply.summary, list(receive_pieces(connection))
                except (ConnectionError, TimeoutError):
                    continue
                raise _error_of(reply)
        raise SaturatedError("No process for batches is to be had at the moment.")

    def _await_reply(self, connection: socket.socket, is_gone: Callable[[], bool]) -> Reply:
        deadline = monotonic() + _BATCH_SECONDS
        while monotonic() < deadline:
            readable, _, _ = select.select([connection], [], [], _LOOK_AFTER_CLIENT_EVERY)
            if readable:
                return receive_reply(connection)
            if is_gone():
                raise ClientGoneError("the client is gone")
            self._own.ensure_running()
        raise SaturatedError("The batch could not be decided in time.")


def _error_of(reply: Refused | NotDone) -> Exception:
    if isinstance(reply, Refused):
        counts = {(field, reason): times for field, reason, times in reply.counts}
        return RequestRefusedError(Refusals(reply.total, counts, reply.shown))
    if reply.why == "malformed":
        return MalformedBodyError(reply.says)
    if reply.why == "too_large":
        return BatchTooLargeError(reply.says)
    if reply.why == "not_recorded":
        return NotRecordedError(reply.says)
    return BatchFailedError(f"a batch process failed with {reply.says}")


def _write(file: IO[bytes], piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]
