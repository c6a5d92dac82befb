"""Decides applications with the served model."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Literal, Protocol

from loan_api.credit.decision import decide
from loan_api.credit.errors import BatchTooLargeError, ClientGoneError, NoModelError, SaturatedError
from loan_api.scoring.columns import Application
from loan_api.scoring.scorer import Scorer
from loan_api.services.batch_job import BatchJob, BatchSummary
from loan_api.services.model_registry import ModelRegistry, ServedModel
from loan_api.wire.refusals import MalformedBodyError, RequestRefusedError
from loan_api.wire.timestamps import utc_text

Endpoint = Literal["single", "batch"]
FailureReason = Literal["no_model", "saturated", "scoring_failed"]


@dataclass(frozen=True)
class DecidedApplication:
    """The answer to one application: 1 approved or 0 rejected, and P(approved)."""

    prediction: int
    probability: float
    model_version: str
    decided_at: datetime
    decision_id: str


@dataclass(frozen=True)
class AnsweredBatch:
    """The answer to a batch: its body in pieces, and what it says in numbers."""

    pieces: Iterable[bytes]
    summary: BatchSummary
    model_version: str
    decided_at: datetime
    batch_id: str


class PredictionObserver(Protocol):
    """Is told of every decision and of every failure to decide."""

    def decided(self, prediction: int, probability: float, model_version: str, seconds: float) -> None:
        """One application was decided by `model_version` within `seconds`."""

    def batch_decided(self, summary: BatchSummary, model_version: str) -> None:
        """A batch was decided by `model_version`."""

    def failed(self, reason: FailureReason) -> None:
        """A valid request could not be decided."""


class BatchRunner(Protocol):
    """Runs batches where they hold up nobody."""

    def start(self) -> None:
        """Gets ready for them."""

    def run(
        self, job: BatchJob, body: bytes, scorer: Scorer, is_gone: Callable[[], bool]
    ) -> tuple[BatchSummary, Iterable[bytes]]:
        """The batch's summary and the pieces of its answer; raises what `run_batch` raises, or a LoanError."""


@dataclass(frozen=True)
class BatchRequest:
    """A batch as it came: the body, its media type, that of the answer, and whether the client is gone meanwhile."""

    body: bytes
    accepts: str
    answers: str
    is_gone: Callable[[], bool]


class PredictionService:
    """Scores applications and decides them by the model's threshold."""

    def __init__(
        self,
        registry: ModelRegistry,
        batches: BatchRunner,
        observer: PredictionObserver,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        max_batch_rows: int,
    ) -> None:
        self._registry = registry
        self._batches = batches
        self._observer = observer
        self._now = now
        self._new_id = new_id
        self._max_batch_rows = max_batch_rows

    def decide(self, application: Application) -> DecidedApplication:
        """Decides one validated application. Raises NoModelError while no model is served."""
        model = self._served()
        started = perf_counter()
        try:
            probability = model.scorer.probability(application)
        except Exception:
            self._observer.failed("scoring_failed")
            raise
        prediction = decide(probability, model.version.facts.threshold)
        version = model.version.semantic_version
        self._observer.decided(prediction, probability, version, perf_counter() - started)
        return DecidedApplication(prediction, probability, version, self._now(), self._new_id())

    def decide_batch(self, request: BatchRequest) -> AnsweredBatch:
        """Decides the applications in a body, all with the same model.

        Raises NoModelError while no model is served, and what `run_batch` raises.
        """
        model = self._served()
        decided_at = self._now()
        job = BatchJob(
            artifact=str(model.artifact),
            scorer=model.scorer.name,
            threshold=model.version.facts.threshold,
            model_version=model.version.semantic_version,
            accepts=request.accepts,
            answers=request.answers,
            max_rows=self._max_batch_rows,
            batch_id=self._new_id(),
            timestamp=utc_text(decided_at),
        )
        try:
            summary, pieces = self._batches.run(job, request.body, model.scorer, request.is_gone)
        except (MalformedBodyError, RequestRefusedError, BatchTooLargeError, ClientGoneError):
            raise
        except SaturatedError:
            self._observer.failed("saturated")
            raise
        except Exception:
            self._observer.failed("scoring_failed")
            raise
        self._observer.batch_decided(summary, job.model_version)
        return AnsweredBatch(pieces, summary, job.model_version, decided_at, job.batch_id)

    def _served(self) -> ServedModel:
        try:
            return self._registry.current
        except NoModelError:
            self._observer.failed("no_model")
            raise
