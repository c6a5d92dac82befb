"""What is decided, whether every decision is kept, and whether decisions were right."""

from prometheus.grafana.choices import INSTANCE, JOB, MODEL_VERSION, WINDOW
from prometheus.grafana.panels import Dashboard, Panel, Query, Row

_HERE = 'job="$job", instance=~"$instance"'
# Of all replicas: an outcome may be told to another than the one that decided.
_MODEL = 'job="$job", model_version="$model_version"'


def _sum(metric: str, *labels: str) -> str:
    """How much a counter of the chosen version grew in the window; 0 where it has not begun."""
    return f"(sum(increase({metric}{{{', '.join((_MODEL, *labels))}}}[$window])) or vector(0))"


def _told(*labels: str) -> str:
    return _sum("loan_outcomes_total", *labels)


def _promised(*labels: str) -> str:
    """Of all decisions in the window."""
    return _sum("loan_expected_outcomes_total", *labels)


def _promised_of_told(*labels: str) -> str:
    """Return the expected approvals among the decisions with outcomes reported in the window."""
    return _sum("loan_outcome_expected_approvals_total", *labels)


def _by_bin(metric: str, *labels: str) -> str:
    return f"sum by (bin) (increase({metric}{{{', '.join((_MODEL, *labels))}}}[$window]))"


_PREDICTED, _ACTUAL = 'predicted="approved"', 'actual="approved"'
_PREDICTED_NOT, _ACTUAL_NOT = 'predicted="rejected"', 'actual="rejected"'
_FAIR = "Compare the realised with what was expected of the same decisions: less means that the model is worse than "
_REALISED, _EXPECTED_OF_TOLD, _EXPECTED_OF_ALL = (
    "realised",
    "expected of the same decisions",
    "expected of all decisions",
)

_REALISED_ACCURACY = f"({_told(_PREDICTED, _ACTUAL)} + {_told(_PREDICTED_NOT, _ACTUAL_NOT)}) / ({_told()} > 0)"
_EXPECTED_RIGHT = f"{_promised_of_told(_PREDICTED)} + {_told(_PREDICTED_NOT)} - {_promised_of_told(_PREDICTED_NOT)}"
_EXPECTED_ACCURACY = f"({_EXPECTED_RIGHT}) / ({_told()} > 0)"

_DECISIONS = Row(
    "Decisions",
    (
        Panel(
            "Decisions by outcome",
            "Applications approved and rejected a second. Worry when one of the two stops.",
            "short",
            (
                Query(
                    f"sum by (outcome) (rate(loan_predictions_total{{{_HERE}}}[$__rate_interval]))",
                    "{{outcome}}",
                ),
            ),
            stacked=True,
        ),
        Panel(
            "Decisions by endpoint and version",
            "Applications a second, in single requests and in batches. At a promotion one version takes over from "
            "another.",
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
            "Share of approvals by version, over the window. How far it may go is on the dashboard of model and drift.",
            "percentunit",
            (
                Query(
                    "sum by (model_version) "
                    '(increase(loan_predictions_total{job="$job", outcome="approved"}[$window])) '
                    '/ (sum by (model_version) (increase(loan_predictions_total{job="$job"}[$window])) > 0)',
                    "{{model_version}}",
                ),
            ),
            maximum=1,
            no_value="nothing decided",
        ),
    ),
)

_DECISION_LOG = Row(
    "Decision log",
    (
        Panel(
            "Database not reached",
            "1 while decisions go to the local journal, or nowhere, instead of the database. A short time is well; for "
            "longer see the alert LoanApiDecisionLogDegraded.",
            "none",
            (Query(f"max by (instance) (loan_decision_log_degraded{{{_HERE}}})", "{{instance}}"),),
            width=6,
            thresholds=(1,),
            maximum=1,
            decimals=0,
        ),
        Panel(
            "Waiting in the journal",
            "Applications whose decisions are still to be brought to the database. Worry when it grows while the "
            "database is reached: bringing in does not keep up.",
            "short",
            (Query(f"sum by (instance) (loan_decision_log_pending{{{_HERE}}})", "{{instance}}"),),
            width=6,
        ),
        Panel(
            "Time to keep a decision",
            "Quantiles of the time until decisions are kept. A decision is answered only then, so this is part of the "
            "latency.",
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
            "Refused as not kept",
            "Requests a second that got no answer as their decision could not be kept anywhere. None should occur; "
            "look at the disk.",
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
            "Outcomes told in the window",
            "How many decisions were told how they turned out. Below some hundred the numbers further down say little.",
            "short",
            (Query(_told(), "outcomes"),),
            "stat",
            width=4,
            thresholds=(100, 500),
            low_is_bad=True,
            decimals=0,
        ),
        Panel(
            "Told, per decision",
            "Outcomes told in the window for each decision made in it. When it falls, whoever tells outcomes has "
            "stopped.",
            "percentunit",
            (Query(f"{_told()} / ({_sum('loan_predictions_total')} > 0)", "told"),),
            "stat",
            width=4,
            no_value="nothing decided",
        ),
        Panel(
            "Time until the outcome",
            "Quantiles of the time from decision to outcome. All that is realised is as old as this; drift is seen "
            "earlier.",
            "s",
            tuple(
                Query(
                    "histogram_quantile("
                    f'{share}, sum by (le) (increase(loan_outcome_lag_seconds_bucket{{job="$job"}}[$window])))',
                    name,
                )
                for share, name in ((0.1, "first tenth"), (0.5, "median"), (0.9, "last tenth"))
            ),
            no_value="no outcomes",
        ),
        Panel(
            "Decisions and what was right",
            "Outcomes told in the window. Predicted approved but actually rejected is the dear mistake: a loan that "
            "should not have been given.",
            "short",
            tuple(
                Query(_told(f'predicted="{predicted}"', f'actual="{actual}"'), f"{predicted}, {actual} was right")
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
            _FAIR
            + "it says. Expected of all decisions falling alone means that applications have become harder to decide.",
            "percentunit",
            (
                Query(_REALISED_ACCURACY, _REALISED),
                Query(_EXPECTED_ACCURACY, _EXPECTED_OF_TOLD),
                Query(
                    f"({_promised(_PREDICTED, _ACTUAL)} + {_promised(_PREDICTED_NOT, _ACTUAL_NOT)}) / ({_promised()} > "
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
            "Share of approvals that were right. " + _FAIR + "it says, and loans are given that should not be.",
            "percentunit",
            (
                Query(f"{_told(_PREDICTED, _ACTUAL)} / ({_told(_PREDICTED)} > 0)", _REALISED),
                Query(f"{_promised_of_told(_PREDICTED)} / ({_told(_PREDICTED)} > 0)", _EXPECTED_OF_TOLD),
                Query(f"{_promised(_PREDICTED, _ACTUAL)} / ({_promised(_PREDICTED)} > 0)", _EXPECTED_OF_ALL),
            ),
            minimum=None,
            maximum=1,
            no_value="no outcomes",
        ),
        Panel(
            "Recall",
            "Share of those to be approved who were. "
            + _FAIR
            + "it says, and good customers are turned away. Outcomes of "
            "rejected applications are rarely known, which makes it look better than it is.",
            "percentunit",
            (
                Query(f"{_told(_PREDICTED, _ACTUAL)} / ({_told(_ACTUAL)} > 0)", _REALISED),
                Query(f"{_promised_of_told(_PREDICTED)} / ({_promised_of_told()} > 0)", _EXPECTED_OF_TOLD),
                Query(f"{_promised(_PREDICTED, _ACTUAL)} / ({_promised(_ACTUAL)} > 0)", _EXPECTED_OF_ALL),
            ),
            minimum=None,
            maximum=1,
            no_value="no outcomes",
        ),
        Panel(
            "Realised below expected accuracy",
            "The gap, and how large chance alone makes it once in a hundred for as many outcomes. Worry when the gap "
            "stays above that.",
            "percentunit",
            (
                Query(f"({_EXPECTED_ACCURACY}) - ({_REALISED_ACCURACY})", "gap"),
                Query(
                    f"2.326 * sqrt(({_EXPECTED_ACCURACY}) * (1 - ({_EXPECTED_ACCURACY})) / ({_told()} > 0))",
                    "by chance at most",
                ),
            ),
            width=8,
            minimum=None,
            no_value="no outcomes",
        ),
        Panel(
            "Brier score",
            "Mean squared difference between approval probability and outcome: 0 is perfect, 0.25 is what a coin would "
            "have. A rise while accuracy stays means that the probabilities are off.",
            "short",
            (Query(f"{_sum('loan_outcome_squared_error_total')} / ({_told()} > 0)", "Brier score"),),
            width=8,
            thresholds=(0.25,),
            decimals=3,
            no_value="no outcomes",
        ),
        Panel(
            "Calibration",
            "For each range of approval probability, the share to be approved that the model promised and the one that "
            "came true. Bars of one range should be level; look only at ranges with enough outcomes.",
            "percentunit",
            (
                Query(
                    f"{_by_bin('loan_outcome_expected_approvals_total')} "
                    f"/ ({_by_bin('loan_outcome_scores_total')} > 0)",
                    "promised",
                ),
                Query(
                    f"{_by_bin('loan_outcome_scores_total', _ACTUAL)} / ({_by_bin('loan_outcome_scores_total')} > 0)",
                    "came true",
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
    "What is decided, is every decision kept, and were the decisions right?",
    (JOB, INSTANCE, MODEL_VERSION, WINDOW),
    (_DECISIONS, _DECISION_LOG, _OUTCOMES, _PERFORMANCE),
    since="now-7d",
)
