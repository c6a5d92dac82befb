"""Who is told of what happens: those that count it, or nobody."""

from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from loan_api.api.requests import HttpObserver
from loan_api.credit.errors import AccessRefusal
from loan_api.metrics.instruments import Instruments
from loan_api.metrics.observers import (
    AccessMetrics,
    HttpMetrics,
    OutcomeMetrics,
    PredictionMetrics,
    RecordingMetrics,
    ReloadMetrics,
)
from loan_api.metrics.tallies import TallyBook
from loan_api.recording.group_commit import RecordingObserver
from loan_api.scoring.columns import Application
from loan_api.services.access import AccessObserver
from loan_api.services.audit import NewOutcome, OutcomeObserver
from loan_api.services.batch_job import BatchSummary
from loan_api.services.decision_log import LogState
from loan_api.services.model_registry import ReloadObserver, ServedModel
from loan_api.services.prediction import FailureReason, PredictionObserver


@dataclass(frozen=True)
class Observers:
    """One for each part of the service."""

    http: HttpObserver
    predictions: PredictionObserver
    recording: RecordingObserver
    reloads: ReloadObserver
    outcomes: OutcomeObserver
    access: AccessObserver


def counting(registry: CollectorRegistry, tallies: TallyBook) -> Observers:
    """Those that count, their metrics in `registry` and in `tallies`."""
    instruments = Instruments(registry)
    return Observers(
        http=HttpMetrics(instruments),
        predictions=PredictionMetrics(instruments, tallies),
        recording=RecordingMetrics(instruments),
        reloads=ReloadMetrics(instruments, tallies),
        outcomes=OutcomeMetrics(instruments.outcomes),
        access=AccessMetrics(instruments),
    )


def silent() -> Observers:
    """Those that count nothing."""
    nobody = _Nobody()
    return Observers(nobody, nobody, nobody, nobody, nobody, nobody)


class _Nobody:
    """Is told of everything and does nothing about it."""

    def request_started(self) -> None:
        """Ignores it, as all of these."""

    def request_answered(self, method: str, route: str, status: int, seconds: float) -> None: ...

    def request_ended(self) -> None: ...

    def field_refused(self, field: str, reason: str, times: int) -> None: ...

    def decided(
        self, model: ServedModel, application: Application, prediction: int, probability: float, seconds: float
    ) -> None: ...

    def batch_decided(self, model: ServedModel, summary: BatchSummary) -> None: ...

    def failed(self, reason: FailureReason) -> None: ...

    def recorded(self, seconds: float) -> None: ...

    def not_recorded(self, records: int) -> None: ...

    def state_seen(self, state: LogState) -> None: ...

    def model_loaded(self, model: ServedModel, replaced: ServedModel | None) -> None: ...

    def model_load_failed(self) -> None: ...

    def outcomes_told(self, new: Sequence[NewOutcome]) -> None: ...

    def access_refused(self, reason: AccessRefusal) -> None: ...
