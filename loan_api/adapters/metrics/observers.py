"""Turns what happens in the service into metrics. The services and the API know only the protocols these fulfil."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Self, get_args

from prometheus_client import CollectorRegistry, Gauge

from loan_api.adapters.metrics.instruments import Instruments, OutcomeInstruments, observe_counted
from loan_api.adapters.metrics.tallies import Tally, TallyBook, bin_label
from loan_api.credit.bins import SCORE_BINS
from loan_api.credit.decision import APPROVED
from loan_api.errors import AccessRefusal
from loan_api.scoring.columns import Application
from loan_api.services.audit import NewOutcome
from loan_api.services.batch_job import BatchSummary
from loan_api.services.decision_log import LogState
from loan_api.services.model_registry import ServedModel
from loan_api.services.prediction import FailureReason


class HttpMetrics:
    """Requests and refusals. Routes are patterns and methods a fixed set, so that labels stay few."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        # Looking a series up by its labels costs more than counting.
        self._requests = cache(
            lambda method, route, status: instruments.http_requests.labels(method, route, str(status))
        )
        self._duration = cache(instruments.http_request_duration.labels)

    def request_started(self) -> None:
        """A request is being handled."""
        self._instruments.http_requests_in_progress.inc()

    def request_answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered with `status` after `seconds`."""
        self._requests(method, route, status).inc()
        self._duration(method, route).observe(seconds)

    def request_ended(self) -> None:
        """A request is not being handled any more."""
        self._instruments.http_requests_in_progress.dec()

    def field_refused(self, field: str, reason: str, times: int) -> None:
        """`field` was refused for `reason`, `times` times in one request."""
        self._instruments.validation_errors.labels(field, reason).inc(times)


class PredictionMetrics:
    """Decisions and failures to decide; every reason for one is there, at 0, from the start."""

    def __init__(self, instruments: Instruments, tallies: TallyBook) -> None:
        self._instruments = instruments
        self._tallies = tallies
        self._of_model: dict[str, _VersionMetrics] = {}
        self._failures = {reason: instruments.prediction_errors.labels(reason) for reason in get_args(FailureReason)}
        self._single_duration = instruments.prediction_duration.labels("single")
        self._batch_duration = instruments.prediction_duration.labels("batch")

    def decided(
        self, model: ServedModel, application: Application, prediction: int, probability: float, seconds: float
    ) -> None:
        """Counts one decision by outcome, and where its values fall."""
        version = self._of(model)
        version.tally.add(application, prediction, probability)
        (version.single_approved if prediction == APPROVED else version.single_rejected).inc()
        version.probability.observe(probability)
        self._single_duration.observe(seconds)

    def batch_decided(self, model: ServedModel, summary: BatchSummary) -> None:
        """Counts a batch's decisions by outcome, and where their values fall."""
        version = self._of(model)
        version.tally.add_all(summary.watched)
        version.batch_approved.inc(summary.approved)
        version.batch_rejected.inc(summary.rows - summary.approved)
        observe_counted(version.probability, summary.probability_counts, summary.probability_sum)
        self._batch_duration.observe(summary.seconds)
        self._instruments.batch_rows.observe(summary.rows)

    def failed(self, reason: FailureReason) -> None:
        """Counts the failure."""
        self._failures[reason].inc()

    def _of(self, model: ServedModel) -> "_VersionMetrics":
        key = model.version.key
        if key not in self._of_model:
            version = model.version.semantic_version
            self._of_model[key] = _VersionMetrics(
                self._instruments, version, self._tallies.of(key, version, model.model.watched)
            )
        return self._of_model[key]


class _VersionMetrics:
    """The series of one model version; each is there, at 0, from the version's first decision on."""

    def __init__(self, instruments: Instruments, version: str, tally: Tally) -> None:
        self.tally = tally
        predictions = instruments.predictions
        self.single_approved = predictions.labels("single", "approved", version)
        self.single_rejected = predictions.labels("single", "rejected", version)
        self.batch_approved = predictions.labels("batch", "approved", version)
        self.batch_rejected = predictions.labels("batch", "rejected", version)
        self.probability = instruments.prediction_probability.labels(version)


class RecordingMetrics:
    """How recording decisions goes."""

    def __init__(self, instruments: Instruments) -> None:
        self._pending = instruments.decision_log_pending
        self._commit = instruments.decision_log_commit
        self._failures = instruments.decision_log_failures
        self._degraded = instruments.decision_log_degraded
        self._seen: LogState | None = None

    def recorded(self, seconds: float) -> None:
        """Some records were kept together within `seconds`."""
        self._commit.observe(seconds)

    def not_recorded(self, records: int) -> None:
        """So many records were refused."""
        self._failures.inc(records)

    def state_seen(self, state: LogState) -> None:
        """Where records go now."""
        if state != self._seen:
            self._seen = state
            self._pending.set(state.waiting)
            self._degraded.set(state.recorded_in != "database")


class AccessMetrics:
    """Refusals of access; each reason is there, at 0, from the start."""

    def __init__(self, instruments: Instruments) -> None:
        self._refusals = {reason: instruments.access_refusals.labels(reason) for reason in get_args(AccessRefusal)}

    def access_refused(self, reason: AccessRefusal) -> None:
        """Counts the refusal."""
        self._refusals[reason].inc()


# By prediction, and by what a good and a bad outcome say the prediction should have been.
_NAMES: Final = ("rejected", "approved")
# By the labels of a counter.
_Sums = defaultdict[tuple[str, ...], float]
_SCORES: Final = tuple(bin_label(position, name) for position, name in enumerate(SCORE_BINS.labels))


def make_outcome_series(instruments: OutcomeInstruments, model_version: str) -> None:
    """Makes the series of a version, at 0: Prometheus sees no increase in a series that begins with a count."""
    for first in _NAMES:
        for actual in _NAMES:
            instruments.told.labels(first, actual, model_version)
        for score in _SCORES:
            instruments.scores.labels(score, first, model_version)
            instruments.expected_approvals.labels(score, first, model_version)
    instruments.squared_error.labels(model_version)


class OutcomeMetrics:
    """What became of decisions."""

    def __init__(self, instruments: OutcomeInstruments) -> None:
        self._instruments = instruments

    def outcomes_told(self, new: Sequence[NewOutcome]) -> None:
        """Counts them, by what was decided and by how sure the model was."""
        made = self._instruments
        told: _Sums = defaultdict(float)
        scores: _Sums = defaultdict(float)
        expected: _Sums = defaultdict(float)
        squared_error: _Sums = defaultdict(float)
        for one in new:
            predicted, actual, version = _NAMES[one.prediction], _NAMES[one.outcome], one.model_version
            score = _SCORES[SCORE_BINS.position(one.probability)]
            told[predicted, actual, version] += 1
            scores[score, actual, version] += 1
            expected[score, predicted, version] += one.probability
            squared_error[version,] += (one.probability - one.outcome) ** 2
            made.lag.observe(one.waited)
        for counter, sums in (
            (made.told, told),
            (made.scores, scores),
            (made.expected_approvals, expected),
            (made.squared_error, squared_error),
        ):
            for labels, amount in sums.items():
                counter.labels(*labels).inc(amount)


class ReloadMetrics:
    """Which model is served, and whether changing it works; its counts are there, at 0, before its first decision."""

    def __init__(self, instruments: Instruments, tallies: TallyBook) -> None:
        self._instruments = instruments
        self._tallies = tallies
        for result in ("success", "failure"):
            instruments.model_reloads.labels(result)

    def model_loaded(self, model: ServedModel, replaced: ServedModel | None) -> None:
        """Names the served model; the replaced one's series goes to 0, as series cannot be withdrawn."""
        self._instruments.model_reloads.labels("success").inc()
        if replaced is not None:
            self._info(replaced).set(0)
        self._info(model).set(1)
        make_outcome_series(self._instruments.outcomes, model.version.semantic_version)
        self._tallies.of(model.version.key, model.version.semantic_version, model.model.watched)

    def model_load_failed(self) -> None:
        """Counts the failure."""
        self._instruments.model_reloads.labels("failure").inc()

    def _info(self, model: ServedModel) -> Gauge:
        version = model.version
        return self._instruments.model_info.labels(
            version.semantic_version, version.registry_version, version.facts.algorithm, model.scorer.name
        )


@dataclass(frozen=True)
class Observers:
    """The observers of every part of the service, counting into one registry."""

    http: HttpMetrics
    predictions: PredictionMetrics
    recording: RecordingMetrics
    reloads: ReloadMetrics
    outcomes: OutcomeMetrics
    access: AccessMetrics

    @classmethod
    def in_registry(cls, registry: CollectorRegistry, tallies: TallyBook) -> Self:
        """Return observers whose metrics live in `registry` and `tallies`."""
        instruments = Instruments(registry)
        return cls(
            http=HttpMetrics(instruments),
            predictions=PredictionMetrics(instruments, tallies),
            recording=RecordingMetrics(instruments),
            reloads=ReloadMetrics(instruments, tallies),
            outcomes=OutcomeMetrics(instruments.outcomes),
            access=AccessMetrics(instruments),
        )
