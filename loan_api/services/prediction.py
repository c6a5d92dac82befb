"""Decisions on applications with the served model, singly and in batches.

`PredictionService` scores, decides, and has each decision recorded before it is answered. A `BatchRunner`
chooses the process in which a batch runs; `loan_api.services.batch_job.run_batch` does the work.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Literal, Protocol

import msgspec

from loan_api.credit.decision import Verdict, decide, verdict_of
from loan_api.credit.policy import Policy
from loan_api.credit.reasons import Reason, reason_of_rule
from loan_api.errors import (
    BatchTooLargeError,
    ClientGoneError,
    NoModelError,
    NotRecordedError,
    SaturatedError,
)
from loan_api.formats.refusals import MalformedBodyError, RequestRefusedError
from loan_api.scoring.columns import Application
from loan_api.services.batch_job import BatchJob, BatchSummary
from loan_api.services.decision_log import DecisionLog, DecisionRecord
from loan_api.services.model_registry import ModelRegistry, ServedModel
from loan_api.services.policy import PolicyService

# Returns the principal reasons against an application with this probability by the model in the folder.
Explain = Callable[[Application, float, Path], Sequence[Reason]]
Endpoint = Literal["single", "batch"]
FailureReason = Literal["no_model", "not_recorded", "saturated", "scoring_failed"]

# The recorded form of the features: text for categories, numbers for the rest.
_features_json = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class DecidedApplication:
    """The answer to one application: prediction (1 approved, 0 rejected) and approval probability.

    `outside_training_range` names the features whose value lies outside the training data. `reasons` is None unless
    they were asked for.
    """

    prediction: int
    probability: float
    model_version: str
    decided_at: datetime
    decision_id: str
    outside_training_range: Sequence[str]
    verdict: Verdict
    policy_version: str | None
    reasons: Sequence[Reason] | None = None


@dataclass(frozen=True)
class SimulatedDecision:
    """A decision that is neither recorded nor counted, and the model and policy that made it."""

    prediction: int
    probability: float
    model: ServedModel
    outside_training_range: Sequence[str]
    verdict: Verdict
    policy: Policy | None


@dataclass(frozen=True)
class AnsweredBatch:
    """The answer to a batch: its body in chunks, and its summary."""

    pieces: Iterable[bytes]
    summary: BatchSummary
    model_version: str
    decided_at: datetime
    batch_id: str
    policy_version: str | None


class PredictionObserver(Protocol):
    """Observes decisions and failures to decide."""

    def decided(
        self,
        model: ServedModel,
        application: Application,
        prediction: int,
        probability: float,
        verdict: Verdict,
        seconds: float,
    ) -> None:
        """Record that `model` decided one application within `seconds`."""

    def batch_decided(self, model: ServedModel, summary: BatchSummary) -> None:
        """Record that `model` decided a batch."""

    def failed(self, reason: FailureReason) -> None:
        """Record that a valid request could not be decided."""


class BatchRunner(Protocol):
    """Runs batches without delaying single requests."""

    def start(self) -> None:
        """Prepare for batches."""

    def run(
        self, job: BatchJob, body: Sequence[bytes], model: ServedModel, is_gone: Callable[[], bool]
    ) -> tuple[BatchSummary, Iterable[bytes]]:
        """Decide a batch whose body comes in chunks. Return its summary and the chunks of the answer.

        Raises a LoanError, or any exception of `run_batch`.
        """


@dataclass(frozen=True)
class BatchRequest:
    """A batch as received: the body in chunks, media types of body and answer, and a check for a closed connection."""

    request_id: str
    body: Sequence[bytes]
    accepts: str
    answers: str
    is_gone: Callable[[], bool]


class PredictionService:
    """Scores applications, applies the policy, and records each decision before returning it.

    Without a policy, the model's threshold decides.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        policies: PolicyService,
        batches: BatchRunner,
        log: DecisionLog,
        observer: PredictionObserver,
        now: Callable[[], datetime],
        new_id: Callable[[datetime], str],
        max_batch_rows: int,
    ) -> None:
        self._registry = registry
        self._policies = policies
        self._batches = batches
        self._log = log
        self._observer = observer
        self._now = now
        self._new_id = new_id
        self._max_batch_rows = max_batch_rows

    def decide(self, application: Application, request_id: str, explain: Explain | None = None) -> DecidedApplication:
        """Decide one validated application and, unless it is approved, explain that before it is recorded.

        Raises NoModelError if no model is served, NotRecordedError if the decision cannot be recorded, or what
        `explain` raises.
        """
        model = self._served()
        policy = self._policy()
        started = perf_counter()
        try:
            probability = model.scorer.probability(application)
            prediction = decide(probability, model.decider.threshold)
            verdict = policy.decide(application, probability) if policy else verdict_of(prediction)
        except Exception:
            self._observer.failed("scoring_failed")
            raise
        decider = model.decider
        seconds = perf_counter() - started
        reasons: Sequence[Reason] | None = None
        if explain is not None and verdict.decision == "approve":
            reasons = []
        elif explain is not None:
            rule = reason_of_rule(policy, verdict) if policy else None
            reasons = [rule] if rule else explain(application, probability, model.artifact)
        decided_at = self._now()
        decision_id = self._new_id(decided_at)
        features = _features_json(application)
        record = DecisionRecord(
            decision_id,
            request_id,
            decided_at,
            decider,
            features,
            probability,
            prediction,
            *verdict,
            policy.digest if policy else None,
        )
        try:
            self._log.record(record)
        except NotRecordedError:
            self._observer.failed("not_recorded")
            raise
        self._observer.decided(model, application, prediction, probability, verdict, seconds)
        outside = model.watched.outside(application)
        return DecidedApplication(
            prediction,
            probability,
            decider.semantic_version,
            decided_at,
            decision_id,
            outside,
            verdict,
            policy.version if policy else None,
            reasons,
        )

    def simulate(self, application: Application) -> SimulatedDecision:
        """Return the decision on a validated application without recording or counting it.

        Raises NoModelError if no model is served.
        """
        model = self._registry.current
        probability = model.scorer.probability(application)
        prediction = decide(probability, model.decider.threshold)
        policy = self._policies.announce()
        verdict = policy.decide(application, probability) if policy else verdict_of(prediction)
        outside = model.watched.outside(application)
        return SimulatedDecision(prediction, probability, model, outside, verdict, policy)

    def decide_batch(self, request: BatchRequest) -> AnsweredBatch:
        """Decide all applications in a body with the same model.

        Raises NoModelError if no model is served, or any exception of `run_batch`.
        """
        model = self._served()
        policy = self._policy()
        decided_at = self._now()
        job = BatchJob(
            artifact=str(model.artifact),
            scorer=model.scorer.name,
            decider=model.decider,
            accepts=request.accepts,
            answers=request.answers,
            max_rows=self._max_batch_rows,
            batch_id=self._new_id(decided_at),
            request_id=request.request_id,
            decided_at=decided_at,
            policy=policy.text if policy else None,
        )
        try:
            summary, pieces = self._batches.run(job, request.body, model, request.is_gone)
        except (MalformedBodyError, RequestRefusedError, BatchTooLargeError, ClientGoneError, SaturatedError):
            raise
        except NotRecordedError:
            self._observer.failed("not_recorded")
            raise
        except Exception:
            self._observer.failed("scoring_failed")
            raise
        self._observer.batch_decided(model, summary)
        return AnsweredBatch(
            pieces,
            summary,
            job.decider.semantic_version,
            job.decided_at,
            job.batch_id,
            policy.version if policy else None,
        )

    def note_saturation(self) -> None:
        """Record that a request was refused because of overload."""
        self._observer.failed("saturated")

    def _policy(self) -> Policy | None:
        try:
            return self._policies.current()
        except NotRecordedError:
            self._observer.failed("not_recorded")
            raise

    def _served(self) -> ServedModel:
        try:
            return self._registry.current
        except NoModelError:
            self._observer.failed("no_model")
            raise
