"""Observers that turn events of the service into metrics.

Services and HTTP views know only the protocols implemented here. Every series that can be known in advance exists at 0
before the first event: `rate()` ignores the first value of a series, so a counter that starts at 60 hides 60 events.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Final, Self, get_args

from prometheus_client import CollectorRegistry, Gauge

from loan_api.adapters.metrics.instruments import Instruments, OutcomeInstruments, observe_counted
from loan_api.adapters.metrics.tallies import Tally, TallyBook, bin_label
from loan_api.credit.bins import SCORE_BINS
from loan_api.credit.decision import APPROVED, DECISIONS, Verdict
from loan_api.credit.policy import Policy
from loan_api.errors import AccessRefusal
from loan_api.formats.refusals import REASONS, field_labels
from loan_api.scoring.columns import Application
from loan_api.services.audit import NewOutcome
from loan_api.services.batch_job import BatchSummary
from loan_api.services.decision_log import LogState
from loan_api.services.model_registry import ServedModel
from loan_api.services.prediction import Endpoint, FailureReason
from loan_api.services.review_state import ReviewDecision


class HttpMetrics:
    """Requests and invalid fields. Routes are patterns and methods a closed set, which bounds the labels."""

    def __init__(self, instruments: Instruments, features: Sequence[str]) -> None:
        self._instruments = instruments
        # Looking up a series by its labels costs more than incrementing it.
        self._requests = cache(
            lambda method, route, status: instruments.http_requests.labels(method, route, str(status))
        )
        self._duration = cache(instruments.http_request_duration.labels)
        for field in field_labels(features):
            for reason in REASONS:
                instruments.validation_errors.labels(field, reason)

    def expect(self, answers: Iterable[tuple[str, str, int]]) -> None:
        """Create the series of these answers, each a method, a route and a status.

        A duration has 16 series, so only operations that can succeed get theirs in advance.
        """
        for method, route, status in answers:
            self._requests(method, route, status)
            if status == HTTPStatus.OK:
                self._duration(method, route)

    def request_started(self) -> None:
        """Count a request as in progress."""
        self._instruments.http_requests_in_progress.inc()

    def request_answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request and observe its duration."""
        self._requests(method, route, status).inc()
        self._duration(method, route).observe(seconds)

    def request_ended(self) -> None:
        """Count a request as no longer in progress."""
        self._instruments.http_requests_in_progress.dec()

    def field_refused(self, field: str, reason: str, times: int) -> None:
        """Count the validation errors of one field in one request."""
        self._instruments.validation_errors.labels(field, reason).inc(times)


class PredictionMetrics:
    """Decisions, and valid requests that failed."""

    def __init__(self, instruments: Instruments, tallies: TallyBook) -> None:
        self._instruments = instruments
        self._tallies = tallies
        self._of_model: dict[str, _VersionMetrics] = {}
        self._policy: Policy | None = None
        self._failures = {reason: instruments.prediction_errors.labels(reason) for reason in get_args(FailureReason)}
        self._single_duration = instruments.prediction_duration.labels("single")
        self._batch_duration = instruments.prediction_duration.labels("batch")

    def decided(
        self,
        model: ServedModel,
        application: Application,
        prediction: int,
        probability: float,
        verdict: Verdict,
        seconds: float,
    ) -> None:
        """Count one decision, its prediction, and the bins of its values."""
        version = self._of(model)
        version.tally.add(application, prediction, probability)
        (version.single_approved if prediction == APPROVED else version.single_rejected).inc()
        version.decisions("single", *verdict).inc()
        version.probability.observe(probability)
        self._single_duration.observe(seconds)

    def batch_decided(self, model: ServedModel, summary: BatchSummary) -> None:
        """Count the decisions of a batch, their predictions, and the bins of their values."""
        version = self._of(model)
        version.tally.add_all(summary.watched)
        version.batch_approved.inc(summary.approved)
        version.batch_rejected.inc(summary.rows - summary.approved)
        for decision, rule, count in summary.decisions:
            version.decisions("batch", decision, rule).inc(count)
        observe_counted(version.probability, summary.probability_counts, summary.probability_sum)
        self._batch_duration.observe(summary.seconds)
        self._instruments.batch_rows.observe(summary.rows)

    def failed(self, reason: FailureReason) -> None:
        """Count a failed request."""
        self._failures[reason].inc()

    def expect(self, model: ServedModel) -> None:
        """Create the series of a model version that is about to decide."""
        self._of(model)

    def policy_activated(self, policy: Policy, replaced: Policy | None) -> None:
        """Publish the policy in force, and create the series of its rules."""
        info = self._instruments.policy_info
        if replaced is not None:
            info.labels(replaced.version, replaced.digest).set(0)
        info.labels(policy.version, policy.digest).set(1)
        self._policy = policy
        for version in self._of_model.values():
            version.expect(policy)

    def _of(self, model: ServedModel) -> "_VersionMetrics":
        key = model.version.key
        if key not in self._of_model:
            version = model.version.semantic_version
            self._of_model[key] = _VersionMetrics(
                self._instruments, version, self._tallies.of(key, version, model.watched)
            )
            if self._policy is not None:
                self._of_model[key].expect(self._policy)
        return self._of_model[key]


class _VersionMetrics:
    """The series of one model version."""

    def __init__(self, instruments: Instruments, version: str, tally: Tally) -> None:
        self.tally = tally
        predictions = instruments.predictions
        self.single_approved = predictions.labels("single", "approved", version)
        self.single_rejected = predictions.labels("single", "rejected", version)
        self.batch_approved = predictions.labels("batch", "approved", version)
        self.batch_rejected = predictions.labels("batch", "rejected", version)
        self.probability = instruments.prediction_probability.labels(version)
        # Looking up a series by its labels costs more than incrementing it.
        self.decisions = cache(
            lambda endpoint, decision, rule: instruments.decisions.labels(endpoint, decision, rule or "", version)
        )
        for endpoint in get_args(Endpoint):
            for decision in DECISIONS:
                self.decisions(endpoint, decision, None)

    def expect(self, policy: Policy) -> None:
        """Create the series of the policy's rules."""
        for endpoint in get_args(Endpoint):
            for rule in policy.rules:
                self.decisions(endpoint, rule.decision, rule.code)


class RecordingMetrics:
    """State and latency of the decision log."""

    def __init__(self, instruments: Instruments) -> None:
        self._pending = instruments.decision_log_pending
        self._commit = instruments.decision_log_commit
        self._failures = instruments.decision_log_failures
        self._degraded = instruments.decision_log_degraded
        self._seen: LogState | None = None

    def recorded(self, seconds: float) -> None:
        """Observe the time that a group of records took to commit."""
        self._commit.observe(seconds)

    def not_recorded(self, records: int) -> None:
        """Count records that could not be stored."""
        self._failures.inc(records)

    def state_seen(self, state: LogState) -> None:
        """Publish where records are written and how many are pending."""
        if state != self._seen:
            self._seen = state
            self._pending.set(state.waiting)
            self._degraded.set(state.recorded_in != "database")


class ReviewMetrics:
    """The review queue, and what reviewers decide."""

    def __init__(self, instruments: Instruments) -> None:
        self._undecided = instruments.reviews_undecided
        self._oldest = instruments.reviews_oldest
        self._decisions = {
            (decision, is_override): instruments.review_decisions.labels(decision, str(is_override).lower())
            for decision in get_args(ReviewDecision)
            for is_override in (False, True)
        }

    def referral_decided(self, decision: ReviewDecision, *, is_override: bool) -> None:
        """Count the decision of a reviewer."""
        self._decisions[decision, is_override].inc()

    def backlog_seen(self, undecided: int, oldest_seconds: float) -> None:
        """Publish the number of undecided referrals and the age of the oldest."""
        self._undecided.set(undecided)
        self._oldest.set(oldest_seconds)


class AccessMetrics:
    """Requests refused for lack of an API key or of its scope."""

    def __init__(self, instruments: Instruments) -> None:
        self._refusals = {reason: instruments.access_refusals.labels(reason) for reason in get_args(AccessRefusal)}

    def access_refused(self, reason: AccessRefusal) -> None:
        """Count a refused request."""
        self._refusals[reason].inc()


# Indexed by a prediction, or by an outcome as the prediction that would have been right.
_NAMES: Final = ("rejected", "approved")
# Amounts by the label values of a counter.
_Sums = defaultdict[tuple[str, ...], float]
_SCORES: Final = tuple(bin_label(position, name) for position, name in enumerate(SCORE_BINS.labels))


def make_outcome_series(instruments: OutcomeInstruments, model_version: str) -> None:
    """Create the outcome series of a model version."""
    for first in _NAMES:
        for actual in _NAMES:
            instruments.reported.labels(first, actual, model_version)
        for score in _SCORES:
            instruments.scores.labels(score, first, model_version)
            instruments.expected_approvals.labels(score, first, model_version)
    instruments.squared_error.labels(model_version)


class OutcomeMetrics:
    """Reported outcomes of decisions."""

    def __init__(self, instruments: OutcomeInstruments) -> None:
        self._instruments = instruments

    def outcomes_reported(self, new: Sequence[NewOutcome]) -> None:
        """Count new outcomes by decision and by approval probability."""
        made = self._instruments
        reported: _Sums = defaultdict(float)
        scores: _Sums = defaultdict(float)
        expected: _Sums = defaultdict(float)
        squared_error: _Sums = defaultdict(float)
        for one in new:
            predicted, actual, version = _NAMES[one.prediction], _NAMES[one.outcome], one.model_version
            score = _SCORES[SCORE_BINS.position(one.probability)]
            reported[predicted, actual, version] += 1
            scores[score, actual, version] += 1
            expected[score, predicted, version] += one.probability
            squared_error[version,] += (one.probability - one.outcome) ** 2
            made.lag.observe(one.waited)
        for counter, sums in (
            (made.reported, reported),
            (made.scores, scores),
            (made.expected_approvals, expected),
            (made.squared_error, squared_error),
        ):
            for labels, amount in sums.items():
                counter.labels(*labels).inc(amount)


class ReloadMetrics:
    """The served model version and the attempts to change it."""

    def __init__(self, instruments: Instruments, predictions: PredictionMetrics) -> None:
        self._instruments = instruments
        self._predictions = predictions
        for result in ("success", "failure"):
            instruments.model_reloads.labels(result)

    def model_loaded(self, model: ServedModel, replaced: ServedModel | None) -> None:
        """Publish the served version. The info series of the replaced one drops to 0, as series cannot be removed."""
        self._instruments.model_reloads.labels("success").inc()
        if replaced is not None:
            self._info(replaced).set(0)
        self._info(model).set(1)
        make_outcome_series(self._instruments.outcomes, model.version.semantic_version)
        self._predictions.expect(model)

    def model_load_failed(self) -> None:
        """Count a failed attempt to load a version."""
        self._instruments.model_reloads.labels("failure").inc()

    def _info(self, model: ServedModel) -> Gauge:
        version = model.version
        return self._instruments.model_info.labels(
            version.semantic_version, version.registry_version, version.facts.algorithm, model.scorer.name
        )


@dataclass(frozen=True)
class Observers:
    """The observers of all parts of the service."""

    http: HttpMetrics
    predictions: PredictionMetrics
    recording: RecordingMetrics
    reloads: ReloadMetrics
    outcomes: OutcomeMetrics
    access: AccessMetrics
    reviews: ReviewMetrics

    @classmethod
    def in_registry(cls, registry: CollectorRegistry, tallies: TallyBook, features: Sequence[str]) -> Self:
        """Return observers whose metrics live in `registry` and `tallies`; `features` are the form's names."""
        instruments = Instruments(registry)
        predictions = PredictionMetrics(instruments, tallies)
        return cls(
            http=HttpMetrics(instruments, features),
            predictions=predictions,
            recording=RecordingMetrics(instruments),
            reloads=ReloadMetrics(instruments, predictions),
            outcomes=OutcomeMetrics(instruments.outcomes),
            access=AccessMetrics(instruments),
            reviews=ReviewMetrics(instruments),
        )
