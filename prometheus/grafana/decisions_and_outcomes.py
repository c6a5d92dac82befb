"""The dashboard on decisions and outcomes."""

from prometheus.grafana.choices import INSTANCE, JOB, MODEL_VERSION, WINDOW
from prometheus.grafana.panels import Dashboard, Panel, Query, Row

_HERE = 'job="$job", instance=~"$instance"'
# Covers all replicas: an outcome may be reported to a different replica than the one that decided.
_MODEL = 'job="$job", model_version="$model_version"'


def _sum(metric: str, *labels: str) -> str:
    """Return the increase of a counter of the chosen version in the window, 0 if it does not exist yet."""
    return f"(sum(increase({metric}{{{', '.join((_MODEL, *labels))}}}[$window])) or vector(0))"


def _reported(*labels: str) -> str:
    return _sum("loan_outcomes_total", *labels)


def _expected(*labels: str) -> str:
    """Return the expected outcomes of all decisions in the window."""
    return _sum("loan_expected_outcomes_total", *labels)


def _expected_of_reported(*labels: str) -> str:
    """Return the expected approvals among the decisions with outcomes reported in the window."""
    return _sum("loan_outcome_expected_approvals_total", *labels)


def _share_of(decision: str) -> str:
    """Return the share of a decision in the window, by model version."""
    chosen = f'sum by (model_version) (increase(loan_decisions_total{{job="$job", decision="{decision}"}}[$window]))'
    return f'{chosen} / (sum by (model_version) (increase(loan_decisions_total{{job="$job"}}[$window])) > 0)'


def _by_bin(metric: str, *labels: str) -> str:
    return f"sum by (bin) (increase({metric}{{{', '.join((_MODEL, *labels))}}}[$window]))"


_PREDICTED, _ACTUAL = 'predicted="approved"', 'actual="approved"'
_PREDICTED_NOT, _ACTUAL_NOT = 'predicted="rejected"', 'actual="rejected"'
_FAIR = "A realised value below that expected for the same decisions means that the model is overconfident"
_REALISED, _EXPECTED_OF_SAME, _EXPECTED_OF_ALL = (
    "realised",
    "expected, same decisions",
    "expected, all decisions",
)

_REALISED_ACCURACY = (
    f"({_reported(_PREDICTED, _ACTUAL)} + {_reported(_PREDICTED_NOT, _ACTUAL_NOT)}) / ({_reported()} > 0)"
)
_EXPECTED_RIGHT = (
    f"{_expected_of_reported(_PREDICTED)} + {_reported(_PREDICTED_NOT)} - {_expected_of_reported(_PREDICTED_NOT)}"
)
_EXPECTED_ACCURACY = f"({_EXPECTED_RIGHT}) / ({_reported()} > 0)"

_DECISIONS = Row(
    "Decisions",
    (
        Panel(
            "Decisions",
            "Approvals, referrals and declined applications per second. Investigate if approvals stop.",
            "short",
            (
                Query(
                    f"sum by (decision) (rate(loan_decisions_total{{{_HERE}}}[$__rate_interval]))",
                    "{{decision}}",
                ),
            ),
            stacked=True,
        ),
        Panel(
            "Decisions by rule of the policy",
            "Decisions per second that a rule made, whatever the probability. Ask the policy's author about a rule "
            "that suddenly decides much more, or nothing.",
            "short",
            (
                Query(
                    f'sum by (rule, decision) (rate(loan_decisions_total{{{_HERE}, rule!=""}}[$__rate_interval]))',
                    "{{rule}}: {{decision}}",
                ),
            ),
            stacked=True,
            no_value="no rules",
        ),
        Panel(
            "Decisions by endpoint and version",
            "Decisions per second, in single requests and batches. At a promotion, one version takes "
            "over from another.",
            "short",
            (
                Query(
                    f"sum by (endpoint, model_version) (rate(loan_predictions_total{{{_HERE}}}[$__rate_interval]))",
                    "{{endpoint}} {{model_version}}",
                ),
            ),
            stacked=True,
        ),
        Panel(
            "Approval rate",
            "Approval rate by version over the window. The dashboard on model and drift shows the acceptable band.",
            "percentunit",
            (Query(_share_of("approve"), "{{model_version}}"),),
            maximum=1,
            no_value="nothing decided",
        ),
        Panel(
            "Referral rate",
            "Share of the decisions in the window that are left to people. If it rises, reviewers have more work.",
            "percentunit",
            (Query(_share_of("refer"), "{{model_version}}"),),
            maximum=1,
            no_value="nothing decided",
        ),
        Panel(
            "Policy in force",
            "Version of the credit policy. Two at a time mean that a worker has not loaded the new file yet.",
            "none",
            (Query(f"max by (version) (loan_policy_info{{{_HERE}}}) == 1", "{{version}}"),),
            "stat",
            names=True,
            no_value="none: the threshold decides",
        ),
    ),
)

_REVIEWS = Row(
    "Reviews",
    (
        Panel(
            "Undecided referrals",
            "Undecided referrals, including claimed ones. If the number grows for days, the "
            "policy refers more than the reviewers can decide.",
            "short",
            (Query('max(loan_reviews_undecided{job="$job"})', "undecided"),),
        ),
        Panel(
            "Age of the oldest referral",
            "Time that the oldest undecided referral has waited. Beyond a day, see the alert LoanReviewsOverdue.",
            "s",
            (Query('max(loan_reviews_oldest_age_seconds{job="$job"})', "oldest"),),
            thresholds=(86_400,),
        ),
        Panel(
            "Decisions of reviewers",
            "Reviewers' decisions in the window; an override replaces an earlier decision.",
            "short",
            (
                Query(
                    'sum by (decision) (increase(loan_review_decisions_total{job="$job", override="false"}[$window]))',
                    "{{decision}}",
                ),
                Query(
                    'sum by (decision) (increase(loan_review_decisions_total{job="$job", override="true"}[$window]))',
                    "override: {{decision}}",
                ),
            ),
            stacked=True,
            no_value="none",
        ),
    ),
)

_DECISION_LOG = Row(
    "Decision log",
    (
        Panel(
            "Database unavailable",
            "1 while decisions go to the local journal instead of the database, or cannot be "
            "recorded. If it lasts, see the alert LoanApiDecisionLogDegraded.",
            "none",
            (Query(f"max by (instance) (loan_decision_log_degraded{{{_HERE}}})", "{{instance}}"),),
            width=6,
            thresholds=(1,),
            maximum=1,
            decimals=0,
        ),
        Panel(
            "Pending in the journal",
            "Decisions waiting to be written to the database. Investigate if it grows while the "
            "database is available: draining is too slow.",
            "short",
            (Query(f"sum by (instance) (loan_decision_log_pending{{{_HERE}}})", "{{instance}}"),),
            width=6,
        ),
        Panel(
            "Time to record a decision",
            "Quantiles of the commit time. A decision is returned only after it is recorded, so this "
            "is part of the latency.",
            "s",
            tuple(
                Query(
                    f"histogram_quantile({share}, sum by (le) "
                    f"(rate(loan_decision_log_commit_seconds_bucket{{{_HERE}}}[$__rate_interval])))",
                    name,
                )
                for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ),
            width=6,
        ),
        Panel(
            "Refused: not recorded",
            "Requests per second refused because their decisions could not be recorded anywhere. None are "
            "expected; check the disk.",
            "reqps",
            (
                Query(
                    f"sum by (instance) (rate(loan_decision_log_failures_total{{{_HERE}}}[$__rate_interval]))",
                    "{{instance}}",
                ),
            ),
            width=6,
            no_value="none",
        ),
    ),
)

_OUTCOMES = Row(
    "Outcomes",
    (
        Panel(
            "Outcomes reported in the window",
            "Number of reported outcomes. With fewer than a few hundred, the panels below are unreliable.",
            "short",
            (Query(_reported(), "outcomes"),),
            "stat",
            width=4,
            thresholds=(100, 500),
            low_is_bad=True,
            decimals=0,
        ),
        Panel(
            "Outcomes per decision",
            "Outcomes reported in the window for each decision made in it. If it falls, a client has "
            "stopped reporting outcomes.",
            "percentunit",
            (Query(f"{_reported()} / ({_sum('loan_predictions_total')} > 0)", "reported"),),
            "stat",
            width=4,
            no_value="nothing decided",
        ),
        Panel(
            "Time to the outcome report",
            "Quantiles of the time from decision to outcome report. Realised performance lags by this "
            "time; drift is visible earlier.",
            "s",
            tuple(
                Query(
                    "histogram_quantile("
                    f'{share}, sum by (le) (increase(loan_outcome_lag_seconds_bucket{{job="$job"}}[$window])))',
                    name,
                )
                for share, name in ((0.1, "p10"), (0.5, "p50"), (0.9, "p90"))
            ),
            no_value="no outcomes",
        ),
        Panel(
            "Confusion matrix",
            "Outcomes reported in the window. The costly error is predicted approved but actually "
            "rejected: a loan that should not have been granted.",
            "short",
            tuple(
                Query(
                    _reported(f'predicted="{predicted}"', f'actual="{actual}"'),
                    f"predicted {predicted}, actually {actual}",
                )
                for predicted in ("approved", "rejected")
                for actual in ("approved", "rejected")
            ),
            "bargauge",
            decimals=0,
        ),
    ),
)

_PERFORMANCE = Row(
    "Expected and realised performance",
    (
        Panel(
            "Accuracy",
            _FAIR + ". If only the value expected for all decisions falls, applications have become harder to decide.",
            "percentunit",
            (
                Query(_REALISED_ACCURACY, _REALISED),
                Query(_EXPECTED_ACCURACY, _EXPECTED_OF_SAME),
                Query(
                    f"({_expected(_PREDICTED, _ACTUAL)} + {_expected(_PREDICTED_NOT, _ACTUAL_NOT)}) / ({_expected()} > "
                    "0)",
                    _EXPECTED_OF_ALL,
                ),
            ),
            minimum=None,
            maximum=1,
            no_value="no outcomes",
        ),
        Panel(
            "Precision",
            "Share of approvals that were right. " + _FAIR + " and grants loans that it should not.",
            "percentunit",
            (
                Query(f"{_reported(_PREDICTED, _ACTUAL)} / ({_reported(_PREDICTED)} > 0)", _REALISED),
                Query(f"{_expected_of_reported(_PREDICTED)} / ({_reported(_PREDICTED)} > 0)", _EXPECTED_OF_SAME),
                Query(f"{_expected(_PREDICTED, _ACTUAL)} / ({_expected(_PREDICTED)} > 0)", _EXPECTED_OF_ALL),
            ),
            minimum=None,
            maximum=1,
            no_value="no outcomes",
        ),
        Panel(
            "Recall",
            "Share of good applicants who were approved. "
            + _FAIR
            + " and rejects good customers. Outcomes of rejected applications are rarely known, so "
            "recall is overestimated.",
            "percentunit",
            (
                Query(f"{_reported(_PREDICTED, _ACTUAL)} / ({_reported(_ACTUAL)} > 0)", _REALISED),
                Query(f"{_expected_of_reported(_PREDICTED)} / ({_expected_of_reported()} > 0)", _EXPECTED_OF_SAME),
                Query(f"{_expected(_PREDICTED, _ACTUAL)} / ({_expected(_ACTUAL)} > 0)", _EXPECTED_OF_ALL),
            ),
            minimum=None,
            maximum=1,
            no_value="no outcomes",
        ),
        Panel(
            "Realised below expected accuracy",
            "The gap, and the size that chance alone exceeds once in a hundred times for this number of "
            "outcomes. Investigate a gap that stays above it.",
            "percentunit",
            (
                Query(f"({_EXPECTED_ACCURACY}) - ({_REALISED_ACCURACY})", "gap"),
                Query(
                    f"2.326 * sqrt(({_EXPECTED_ACCURACY}) * (1 - ({_EXPECTED_ACCURACY})) / ({_reported()} > 0))",
                    "chance alone",
                ),
            ),
            width=8,
            minimum=None,
            no_value="no outcomes",
        ),
        Panel(
            "Brier score",
            "Mean squared difference between approval probability and outcome: 0 is perfect, 0.25 is a coin toss. A "
            "rise at constant accuracy means that the probabilities are miscalibrated.",
            "short",
            (Query(f"{_sum('loan_outcome_squared_error_total')} / ({_reported()} > 0)", "Brier score"),),
            width=8,
            thresholds=(0.25,),
            decimals=3,
            no_value="no outcomes",
        ),
        Panel(
            "Calibration",
            "Expected and realised share of good outcomes for each range of approval probability. The "
            "bars of a range should be equally high; consider only ranges with enough outcomes.",
            "percentunit",
            (
                Query(
                    f"{_by_bin('loan_outcome_expected_approvals_total')} "
                    f"/ ({_by_bin('loan_outcome_scores_total')} > 0)",
                    "expected",
                ),
                Query(
                    f"{_by_bin('loan_outcome_scores_total', _ACTUAL)} / ({_by_bin('loan_outcome_scores_total')} > 0)",
                    "realised",
                ),
            ),
            "bars",
            width=8,
            maximum=1,
            no_value="no outcomes",
        ),
    ),
)

DASHBOARD = Dashboard(
    "loan-decisions-and-outcomes",
    "Loan decisions: decisions and outcomes",
    "Decisions, reviews, the decision log, and realised performance.",
    (JOB, INSTANCE, MODEL_VERSION, WINDOW),
    (_DECISIONS, _REVIEWS, _DECISION_LOG, _OUTCOMES, _PERFORMANCE),
    since="now-7d",
)
