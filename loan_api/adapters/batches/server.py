"""A batch process at work: takes one batch after another from the queue until its parent is gone."""

import logging
import resource
import select
import socket
from collections.abc import Callable, Iterator
from typing import IO

from loan_api.adapters.batches.protocol import Decided, NotDone, Refused, Reply, receive_job, send_pieces, send_reply
from loan_api.adapters.ipc.connection_queue import take_with_file
from loan_api.adapters.ipc.messages import has_hung_up
from loan_api.errors import BatchTooLargeError, ClientGoneError, NotRecordedError
from loan_api.formats.refusals import MalformedBodyError, RequestRefusedError
from loan_api.logs import error_location
from loan_api.scoring.scorer import ScoringModel
from loan_api.services.batch_job import BatchJob, run_batch
from loan_api.services.decision_log import BatchRecord

# How long a worker may take to hand over a batch that it holds already.
_HANDOVER_SECONDS = 60.0

# Resident, as Linux counts it; the largest batch by default takes a quarter of it.
_MOST_KILOBYTES = 1_000_000

_log = logging.getLogger(__name__)


class BatchServer:
    """`model_of` gives the model that a job names, `record` keeps what was decided.

    The descriptor `parent` is at its end once the parent is gone.
    """

    def __init__(
        self,
        receiving: socket.socket,
        parent: int,
        model_of: Callable[[BatchJob], ScoringModel],
        record: Callable[[BatchRecord], object],
    ) -> None:
        self._receiving = receiving
        self._parent = parent
        self._model_of = model_of
        self._record = record

    def serve(self) -> None:
        """Returns once the parent is gone, or the process has grown; what is in work then is finished first."""
        while True:
            readable, _, _ = select.select([self._receiving.fileno(), self._parent], [], [])
            if self._parent in readable:
                return
            taken = take_with_file(self._receiving)
            if taken is not None:
                connection, body = taken
                with connection, body:
                    self._handle(connection, body)
                if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > _MOST_KILOBYTES:
                    # Memory that was once asked for may not come back; another process starts small.
                    _log.warning("batch process replaced", extra={"reason": "it has grown"})
                    return

    def _handle(self, connection: socket.socket, body: IO[bytes]) -> None:
        connection.settimeout(_HANDOVER_SECONDS)
        try:
            job = receive_job(connection)
            body.seek(0)
            reply, pieces = self._run(connection, job, body.read())
            send_reply(connection, reply)
            if pieces is not None:
                send_pieces(connection, pieces)
        except (OSError, ClientGoneError):
            # Nobody waits for it.
            return

    def _run(self, connection: socket.socket, job: BatchJob, body: bytes) -> tuple[Reply, Iterator[bytes] | None]:
        try:
            model = self._model_of(job)
            summary, pieces = run_batch(job, body, model, self._record, lambda: has_hung_up(connection))
        except RequestRefusedError as error:
            refusals = error.refusals
            counts = [(field, reason, times) for (field, reason), times in refusals.counts.items()]
            return Refused(refusals.total, counts, refusals.shown), None
        except MalformedBodyError as error:
            return NotDone("malformed", str(error)), None
        except (BatchTooLargeError, NotRecordedError) as error:
            return NotDone("too_large" if isinstance(error, BatchTooLargeError) else "not_recorded", str(error)), None
        except MemoryError:
            return NotDone("too_large", "The batch needs more memory than one batch may have."), None
        except ClientGoneError:
            raise
        except Exception as error:  # noqa: BLE001
            location = error_location(error)
            _log.error("batch failed", extra={"batch_id": job.batch_id, **location})
            return NotDone("failed", location["error"]), None
        return Decided(summary), pieces
