"""The main loop of a batch process: decides batches and explains decisions from a queue until its parent is gone.

The cost of a batch is bounded by the process's memory limit (`memory_limit` in
`loan_api/entrypoints/processes/batch_process.py`) and by `cpu_seconds`. A batch that exceeds either is too large.
"""

import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import IO

from loan_api.adapters.batches.protocol import (
    Decided,
    ExplanationJob,
    Job,
    NotDone,
    Refused,
    Reply,
    receive_job,
    send_pieces,
    send_reply,
)
from loan_api.adapters.ipc.connection_queue import take_with_file
from loan_api.adapters.ipc.messages import has_hung_up
from loan_api.errors import BatchTooLargeError, ClientGoneError, NotRecordedError, ReasonsUnavailableError
from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.refusals import MalformedBodyError, RequestRefusedError
from loan_api.logs import error_location
from loan_api.scoring.scorer import Scorer
from loan_api.scoring.watched import WatchedDistribution
from loan_api.services.batch_job import BatchJob, run_batch
from loan_api.services.decision_log import BatchRecord
from loan_api.services.explanation import ContributionsJob, ExplainedModel, ReplayJob, WhatIfJob

# Time limit for the worker to send a job that it already holds.
_HANDOVER_SECONDS = 60.0
_CHECK_CPU_EVERY_SECONDS = 1.0

_log = logging.getLogger(__name__)


def cpu_seconds(job: Job) -> float:
    """Return the CPU time that a job may take. Describing every error of an invalid batch takes a fifth of it."""
    return 10.0 + job.max_rows / 1000 if isinstance(job, BatchJob) else 20.0


class BatchServer:
    """Runs the batches in a queue.

    `scorer_of` returns scorer and watched distribution for a batch, `explained` the model that explains decisions of
    the one in a folder; `record` records decisions. The descriptor `parent` reaches its end when the parent is gone.
    `abort` ends a process whose job exceeds `cpu_seconds`.
    """

    def __init__(
        self,
        codec: ApplicationCodec,
        receiving: socket.socket,
        parent: int,
        scorer_of: Callable[[BatchJob], tuple[Scorer, WatchedDistribution]],
        explained: Callable[[str], ExplainedModel],
        record: Callable[[BatchRecord], object],
        *,
        cpu_seconds: Callable[[Job], float] = cpu_seconds,
        abort: Callable[[int], object] = os._exit,
    ) -> None:
        self._codec = codec
        self._receiving = receiving
        self._parent = parent
        self._scorer_of = scorer_of
        self._explained = explained
        self._record = record
        self._cpu_seconds = cpu_seconds
        self._watchdog = _Watchdog(abort)

    def serve(self) -> None:
        """Run batches until the parent is gone; a batch in progress is finished first."""
        with self._watchdog.watching(), select.epoll() as waiting:
            # Wake one idle process for a job, not all: the others would compete with it for the processor.
            waiting.register(self._receiving, select.EPOLLIN | select.EPOLLEXCLUSIVE)
            waiting.register(self._parent, select.EPOLLIN)
            while True:
                ready = [descriptor for descriptor, _ in waiting.poll()]
                if self._parent in ready:
                    return
                taken = take_with_file(self._receiving)
                if taken is not None:
                    connection, body = taken
                    with connection, body or nullcontext():
                        self._handle(connection, body)

    def _handle(self, connection: socket.socket, body: IO[bytes] | None) -> None:
        connection.settimeout(_HANDOVER_SECONDS)
        try:
            job = receive_job(connection)
            with self._watchdog.limiting(connection, self._cpu_seconds(job)):
                if isinstance(job, BatchJob):
                    reply, pieces = self._run(connection, job, _content(body))
                else:
                    reply, pieces = self._explain(job), None
            send_reply(connection, reply)
            if pieces is not None:
                send_pieces(connection, pieces)
        except (OSError, ClientGoneError):
            # Nobody is waiting for the answer.
            return

    def _explain(self, job: ExplanationJob) -> Reply:
        try:
            model = self._explained(job.artifact)
            match job:
                case WhatIfJob():
                    return model.changes(job)
                case ReplayJob():
                    return model.replayed(job)
                case ContributionsJob():
                    return model.contributions(job)
        except ReasonsUnavailableError as error:
            return NotDone("unexplained", str(error))
        except Exception as error:  # noqa: BLE001
            location = error_location(error)
            _log.error("explanation failed", extra=location)
            return NotDone("failed", location["error"])

    def _run(self, connection: socket.socket, job: BatchJob, body: bytes) -> tuple[Reply, Iterator[bytes] | None]:
        try:
            scorer, watched = self._scorer_of(job)
            summary, pieces = run_batch(
                self._codec, job, body, scorer, watched, self._record, lambda: has_hung_up(connection)
            )
        except RequestRefusedError as error:
            refusals = error.refusals
            counts = [(field, reason, times) for (field, reason), times in refusals.counts.items()]
            return Refused(refusals.total, counts, refusals.shown), None
        except MalformedBodyError as error:
            return NotDone("malformed", str(error)), None
        except (BatchTooLargeError, NotRecordedError) as error:
            return NotDone("too_large" if isinstance(error, BatchTooLargeError) else "not_recorded", str(error)), None
        except MemoryError:
            return NotDone("too_large", "The batch needs more memory than one batch may use."), None
        except ClientGoneError:
            raise
        except Exception as error:  # noqa: BLE001
            location = error_location(error)
            _log.error("batch failed", extra={"batch_id": job.batch_id, **location})
            return NotDone("failed", location["error"]), None
        return Decided(summary), pieces


def _content(body: IO[bytes] | None) -> bytes:
    """Read the batch, wherever the worker left the file's position."""
    if body is None:
        raise ConnectionError("a batch came without a body")
    body.seek(0)
    return body.read()


class _Watchdog:
    """Refuses a job that takes too much CPU time, and ends the process with `abort`.

    This takes a thread, because Arrow may unpack terabytes in one call that nothing else can interrupt.
    """

    def __init__(self, abort: Callable[[int], object]) -> None:
        self._abort = abort
        self._lock = threading.Lock()
        # The connection of the job in progress, and the CPU time of the process at which the job has taken too much.
        self._limit: tuple[socket.socket, float] | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Run the thread for the duration of the block."""
        done = threading.Event()
        threading.Thread(target=self._watch, args=(done,), daemon=True).start()
        try:
            yield
        finally:
            done.set()

    @contextmanager
    def limiting(self, connection: socket.socket, cpu_seconds: float) -> Iterator[None]:
        """Limit the CPU time of the block, which does the job of `connection`."""
        with self._lock:
            self._limit = connection, time.process_time() + cpu_seconds
        try:
            yield
        finally:
            with self._lock:
                self._limit = None

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(_CHECK_CPU_EVERY_SECONDS):
            with self._lock:
                if self._limit is not None and time.process_time() > self._limit[1]:
                    self._end(self._limit[0])

    def _end(self, connection: socket.socket) -> None:
        _log.warning("batch process replaced", extra={"reason": "a job took too much CPU time"})
        try:
            send_reply(connection, NotDone("too_large", "The batch takes too long to decode."))
        finally:
            self._abort(1)
