"""Decides applications with the served model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Literal, Protocol

from loan_api.credit.decision import decide
from loan_api.credit.errors import NoModelError
from loan_api.scoring.scorer import Application
from loan_api.services.model_registry import ModelRegistry, ServedModel

Endpoint = Literal["single", "batch"]


@dataclass(frozen=True)
class Decision:
    """What was decided on one application: 1 approved or 0 rejected, and P(approved)."""

    prediction: int
    probability: float


@dataclass(frozen=True)
class DecidedApplication:
    """The answer to one application."""

    decision: Decision
    model_version: str
    decided_at: datetime
    decision_id: str


@dataclass(frozen=True)
class DecidedBatch:
    """The answer to a batch, decisions in the order of its applications."""

    decisions: Sequence[Decision]
    model_version: str
    decided_at: datetime
    seconds: float
    batch_id: str


class PredictionObserver(Protocol):
    """Is told of every decision and of every failure to decide."""

    def decided(self, endpoint: Endpoint, decisions: Sequence[Decision], model_version: str, seconds: float) -> None:
        """The decisions were made by `model_version` within `seconds`."""

    def failed(self, reason: Literal["no_model", "scoring_failed"]) -> None:
        """A request could not be decided."""


class PredictionService:
    """Scores applications and decides them by the model's threshold."""

    def __init__(
        self,
        registry: ModelRegistry,
        observer: PredictionObserver,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._registry = registry
        self._observer = observer
        self._now = now
        self._new_id = new_id

    def decide(self, application: Application) -> DecidedApplication:
        """Decides one validated application. Raises NoModelError while no model is served."""
        decisions, model, _ = self._decide("single", [application])
        return DecidedApplication(decisions[0], model.version.semantic_version, self._now(), self._new_id())

    def decide_batch(self, applications: Sequence[Application]) -> DecidedBatch:
        """Decides validated applications, all with the same model. Raises NoModelError while no model is served."""
        decisions, model, seconds = self._decide("batch", applications)
        return DecidedBatch(decisions, model.version.semantic_version, self._now(), seconds, self._new_id())

    def _decide(
        self, endpoint: Endpoint, applications: Sequence[Application]
    ) -> tuple[list[Decision], ServedModel, float]:
        started = perf_counter()
        try:
            model = self._registry.current
        except NoModelError:
            self._observer.failed("no_model")
            raise
        try:
            probabilities = model.scorer.probabilities(applications)
        except Exception:
            self._observer.failed("scoring_failed")
            raise
        threshold = model.version.facts.threshold
        decisions = [Decision(decide(probability, threshold), probability) for probability in probabilities]
        seconds = perf_counter() - started
        self._observer.decided(endpoint, decisions, model.version.semantic_version, seconds)
        return decisions, model, seconds
