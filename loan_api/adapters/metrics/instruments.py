"""Declarations of all exported metrics; a test compares docs/metrics.md with them.

Most metrics live in the files of the multiprocess mode (`multiprocess.py`), so their gauges declare how to aggregate
workers. Counts of feature values have separate files (`tallies.py`). Metrics of processes and of the container are
read at each scrape (`system.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from loan_api.services.batch_job import PROBABILITY_BOUNDS

# From a compiled single prediction to the timeout of a client.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# From an hour to two years.
_LAGS = (3_600.0, 86_400.0, 604_800.0, 2_592_000.0, 7_776_000.0, 15_552_000.0, 31_536_000.0, 63_072_000.0)
_ROWS = (1.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0)


@dataclass(frozen=True)
class MetricDeclaration:
    """The name, kind, labels and meaning of one metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    description: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    # The aggregation of a gauge over live workers: sum or maximum.
    across_workers: Literal["livesum", "livemax", ""] = ""
    # The source of the values: prometheus_client, or one that is read at each scrape.
    source: Literal["client", "tallies", "system"] = "client"


HTTP_REQUESTS = MetricDeclaration(
    "loan_http_requests_total", "counter", "HTTP requests answered.", ("method", "route", "status")
)
HTTP_REQUEST_DURATION = MetricDeclaration(
    "loan_http_request_duration_seconds",
    "histogram",
    "Time from the start of handling a request to its answer.",
    ("method", "route"),
    buckets=_SECONDS,
)
HTTP_REQUESTS_IN_PROGRESS = MetricDeclaration(
    "loan_http_requests_in_progress", "gauge", "HTTP requests being handled.", across_workers="livesum"
)
PREDICTIONS = MetricDeclaration(
    "loan_predictions_total",
    "counter",
    "Predictions of the model at its threshold, whatever the policy decides.",
    ("endpoint", "outcome", "model_version"),
)
DECISIONS = MetricDeclaration(
    "loan_decisions_total",
    "counter",
    "Decisions of the policy; `rule` is empty if the probability decided.",
    ("endpoint", "decision", "rule", "model_version"),
)
POLICY_INFO = MetricDeclaration(
    "loan_policy_info",
    "gauge",
    "1 for the credit policy in force, 0 for earlier ones.",
    ("version", "digest"),
    across_workers="livemax",
)
PREDICTION_PROBABILITY = MetricDeclaration(
    "loan_prediction_probability",
    "histogram",
    "Approval probability of decided applications.",
    ("model_version",),
    buckets=PROBABILITY_BOUNDS,
)
PREDICTION_DURATION = MetricDeclaration(
    "loan_prediction_duration_seconds",
    "histogram",
    "Time to score and decide one request, without HTTP and validation.",
    ("endpoint",),
    buckets=_SECONDS,
)
BATCH_ROWS = MetricDeclaration("loan_batch_rows", "histogram", "Applications in a batch.", buckets=_ROWS)
PREDICTION_ERRORS = MetricDeclaration(
    "loan_prediction_errors_total", "counter", "Valid requests that could not be decided.", ("reason",)
)
VALIDATION_ERRORS = MetricDeclaration(
    "loan_validation_errors_total", "counter", "Invalid fields of applications.", ("field", "reason")
)
ACCESS_REFUSALS = MetricDeclaration(
    "loan_access_refusals_total", "counter", "Requests refused for lack of an API key or of its scope.", ("reason",)
)
MODEL_INFO = MetricDeclaration(
    "loan_model_info",
    "gauge",
    "1 for the served model, 0 for models served before.",
    ("model_version", "registry_version", "algorithm", "scorer"),
    across_workers="livemax",
)
MODEL_RELOADS = MetricDeclaration(
    "loan_model_reloads_total", "counter", "Attempts to load another model version.", ("result",)
)

DECISION_LOG_PENDING = MetricDeclaration(
    "loan_decision_log_pending",
    "gauge",
    "Applications whose decisions are pending in the local journal.",
    across_workers="livemax",
)
DECISION_LOG_COMMIT = MetricDeclaration(
    "loan_decision_log_commit_seconds",
    "histogram",
    "Time to commit a group of decisions, without batches of other processes.",
    buckets=_SECONDS,
)
DECISION_LOG_FAILURES = MetricDeclaration(
    "loan_decision_log_failures_total", "counter", "Requests refused because their decisions could not be recorded."
)
DECISION_LOG_DEGRADED = MetricDeclaration(
    "loan_decision_log_degraded",
    "gauge",
    "1 while decisions go to the journal instead of the database, or cannot be recorded.",
    across_workers="livemax",
)

FEATURE_VALUES = MetricDeclaration(
    "loan_feature_values_total",
    "counter",
    "Values of decided applications, by the bins of the reference distribution; each value is in one bin.",
    ("feature", "bin", "model_version"),
    source="tallies",
)
FEATURE_REFERENCE = MetricDeclaration(
    "loan_feature_reference_ratio",
    "gauge",
    "Share of the bin in the training data.",
    ("feature", "bin", "model_version"),
    source="tallies",
)
SCORE_VALUES = MetricDeclaration(
    "loan_score_values_total",
    "counter",
    "Approval probabilities of decided applications, by the bins of the reference distribution.",
    ("bin", "model_version"),
    source="tallies",
)
SCORE_REFERENCE = MetricDeclaration(
    "loan_score_reference_ratio",
    "gauge",
    "Share of the bin in the approval probabilities of held-out training data.",
    ("bin", "model_version"),
    source="tallies",
)
REFERENCE_APPLICATIONS = MetricDeclaration(
    "loan_reference_applications",
    "gauge",
    "Number of applications in the reference distribution.",
    ("model_version",),
    source="tallies",
)
REFERENCE_APPROVAL = MetricDeclaration(
    "loan_reference_approval_ratio",
    "gauge",
    "Approval rate on held-out training data.",
    ("model_version",),
    source="tallies",
)
EXPECTED_OUTCOMES = MetricDeclaration(
    "loan_expected_outcomes_total",
    "counter",
    "Expected outcomes of all decisions according to their probabilities; `actual` is the correct decision.",
    ("predicted", "actual", "model_version"),
    source="tallies",
)

OUTCOMES = MetricDeclaration(
    "loan_outcomes_total",
    "counter",
    "Newly reported outcomes; `actual` is the decision that would have been correct.",
    ("predicted", "actual", "model_version"),
)
OUTCOME_SCORES = MetricDeclaration(
    "loan_outcome_scores_total",
    "counter",
    "Reported outcomes by the approval probability of their decisions.",
    ("bin", "actual", "model_version"),
)
OUTCOME_EXPECTED_APPROVALS = MetricDeclaration(
    "loan_outcome_expected_approvals_total",
    "counter",
    "Sum of the approval probabilities of decisions with reported outcomes.",
    ("bin", "predicted", "model_version"),
)
OUTCOME_SQUARED_ERROR = MetricDeclaration(
    "loan_outcome_squared_error_total",
    "counter",
    "Sum of squared differences between approval probability and outcome; divided by the outcomes, the Brier score.",
    ("model_version",),
)
OUTCOME_LAG = MetricDeclaration(
    "loan_outcome_lag_seconds",
    "histogram",
    "Time from a decision to its outcome report.",
    buckets=_LAGS,
)

REVIEWS_UNDECIDED = MetricDeclaration(
    "loan_reviews_undecided",
    "gauge",
    "Undecided referrals, claimed ones included.",
    across_workers="livemax",
)
REVIEWS_OLDEST = MetricDeclaration(
    "loan_reviews_oldest_age_seconds",
    "gauge",
    "Age of the oldest undecided referral; 0 if every referral is decided.",
    across_workers="livemax",
)
REVIEW_DECISIONS = MetricDeclaration(
    "loan_review_decisions_total", "counter", "Decisions of reviewers on referrals.", ("decision", "override")
)

WORKERS = MetricDeclaration("loan_workers", "gauge", "Living web workers.", source="system")
WORKER_CPU = MetricDeclaration(
    "loan_worker_cpu_seconds_total",
    "counter",
    "CPU time of all web workers that have used the slot.",
    ("worker",),
    source="system",
)
WORKER_MEMORY = MetricDeclaration(
    "loan_worker_resident_memory_bytes", "gauge", "Resident memory of the web worker.", ("worker",), source="system"
)
WORKER_FILES = MetricDeclaration(
    "loan_worker_open_files", "gauge", "Open file descriptors of the web worker.", ("worker",), source="system"
)
WORKER_MOST_FILES = MetricDeclaration(
    "loan_worker_max_open_files",
    "gauge",
    "Maximum number of open file descriptors of the web worker.",
    ("worker",),
    source="system",
)
CONTAINER_MEMORY = MetricDeclaration(
    "loan_container_memory_bytes",
    "gauge",
    "Memory of the control group without inactive file pages, which the kernel can reclaim immediately.",
    source="system",
)
CONTAINER_MEMORY_LIMIT = MetricDeclaration(
    "loan_container_memory_limit_bytes", "gauge", "Memory limit of the control group, if any.", source="system"
)
CONTAINER_CPU_LIMIT = MetricDeclaration(
    "loan_container_cpu_limit_cores", "gauge", "CPU limit of the control group, if any.", source="system"
)
CONTAINER_CPU_THROTTLED = MetricDeclaration(
    "loan_container_cpu_throttled_seconds_total",
    "counter",
    "Time for which the control group was throttled by its CPU limit.",
    source="system",
)

METRICS: tuple[MetricDeclaration, ...] = (
    HTTP_REQUESTS,
    HTTP_REQUEST_DURATION,
    HTTP_REQUESTS_IN_PROGRESS,
    PREDICTIONS,
    DECISIONS,
    POLICY_INFO,
    PREDICTION_PROBABILITY,
    PREDICTION_DURATION,
    BATCH_ROWS,
    PREDICTION_ERRORS,
    VALIDATION_ERRORS,
    ACCESS_REFUSALS,
    MODEL_INFO,
    MODEL_RELOADS,
    DECISION_LOG_PENDING,
    DECISION_LOG_COMMIT,
    DECISION_LOG_FAILURES,
    DECISION_LOG_DEGRADED,
    FEATURE_VALUES,
    FEATURE_REFERENCE,
    SCORE_VALUES,
    SCORE_REFERENCE,
    REFERENCE_APPLICATIONS,
    REFERENCE_APPROVAL,
    EXPECTED_OUTCOMES,
    OUTCOMES,
    OUTCOME_SCORES,
    OUTCOME_EXPECTED_APPROVALS,
    OUTCOME_SQUARED_ERROR,
    OUTCOME_LAG,
    REVIEWS_UNDECIDED,
    REVIEWS_OLDEST,
    REVIEW_DECISIONS,
    WORKERS,
    WORKER_CPU,
    WORKER_MEMORY,
    WORKER_FILES,
    WORKER_MOST_FILES,
    CONTAINER_MEMORY,
    CONTAINER_MEMORY_LIMIT,
    CONTAINER_CPU_LIMIT,
    CONTAINER_CPU_THROTTLED,
)


class Instruments:
    """The prometheus_client instruments of the declared metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.http_requests = _counter(HTTP_REQUESTS, registry)
        self.http_request_duration = _histogram(HTTP_REQUEST_DURATION, registry)
        self.http_requests_in_progress = _gauge(HTTP_REQUESTS_IN_PROGRESS, registry)
        self.predictions = _counter(PREDICTIONS, registry)
        self.decisions = _counter(DECISIONS, registry)
        self.policy_info = _gauge(POLICY_INFO, registry)
        self.prediction_probability = _histogram(PREDICTION_PROBABILITY, registry)
        self.prediction_duration = _histogram(PREDICTION_DURATION, registry)
        self.batch_rows = _histogram(BATCH_ROWS, registry)
        self.prediction_errors = _counter(PREDICTION_ERRORS, registry)
        self.validation_errors = _counter(VALIDATION_ERRORS, registry)
        self.access_refusals = _counter(ACCESS_REFUSALS, registry)
        self.model_info = _gauge(MODEL_INFO, registry)
        self.model_reloads = _counter(MODEL_RELOADS, registry)
        self.decision_log_pending = _gauge(DECISION_LOG_PENDING, registry)
        self.decision_log_commit = _histogram(DECISION_LOG_COMMIT, registry)
        self.decision_log_failures = _counter(DECISION_LOG_FAILURES, registry)
        self.decision_log_degraded = _gauge(DECISION_LOG_DEGRADED, registry)
        self.outcomes = OutcomeInstruments(registry)
        self.reviews_undecided = _gauge(REVIEWS_UNDECIDED, registry)
        self.reviews_oldest = _gauge(REVIEWS_OLDEST, registry)
        self.review_decisions = _counter(REVIEW_DECISIONS, registry)


class OutcomeInstruments:
    """The instruments for reported outcomes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.reported = _counter(OUTCOMES, registry)
        self.scores = _counter(OUTCOME_SCORES, registry)
        self.expected_approvals = _counter(OUTCOME_EXPECTED_APPROVALS, registry)
        self.squared_error = _counter(OUTCOME_SQUARED_ERROR, registry)
        self.lag = _histogram(OUTCOME_LAG, registry)


def _counter(metric: MetricDeclaration, registry: CollectorRegistry) -> Counter:
    return Counter(metric.name, metric.description, metric.labels, registry=registry)


def _gauge(metric: MetricDeclaration, registry: CollectorRegistry) -> Gauge:
    mode = metric.across_workers or "all"
    return Gauge(metric.name, metric.description, metric.labels, registry=registry, multiprocess_mode=mode)


def _histogram(metric: MetricDeclaration, registry: CollectorRegistry) -> Histogram:
    return Histogram(metric.name, metric.description, metric.labels, registry=registry, buckets=metric.buckets)


def observe_counted(histogram: Histogram, counts: Sequence[int], total: float) -> None:
    """Add many observations at once: the counts in the histogram's buckets, and their sum.

    prometheus_client's public interface takes one value at a time: tens of milliseconds for a large batch.
    """
    for bucket, count in zip(histogram._buckets, counts, strict=False):  # noqa: SLF001
        if count:
            bucket.inc(count)
    histogram._sum.inc(total)  # noqa: SLF001
