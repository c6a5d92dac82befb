"""The dashboard on the served model and on drift."""

from prometheus.grafana.choices import DRIFT_WINDOW, FEATURE, JOB, MODEL_VERSION
from prometheus.grafana.panels import Dashboard, Panel, Query, Row

# The industry's rule of thumb; the alerts use the second threshold.
SOME_DRIFT, MUCH_DRIFT = 0.1, 0.25
# No alert fires for fewer decisions than this.
ENOUGH_DECISIONS = 500

_MODEL = '{job="$job", model_version="$model_version"}'
_FEATURE = '{job="$job", model_version="$model_version", feature="$feature"}'


def _of_features(recorded: str, selector: str = _MODEL) -> str:
    """Return the recorded series of each feature over the window."""
    return f"job_model_version_feature:{recorded}$window{selector}"


def _of_model(recorded: str) -> str:
    """Return the recorded series of the model over the window."""
    return f"job_model_version:{recorded}$window{_MODEL}"


def _by_bin(recorded: str) -> str:
    """Sum by bin, because bars are placed side by side by their only label."""
    return f"sum by (bin) ({recorded})"


_VALUES = f"({_of_features('loan_feature_values:increase')} > 0)"
_OUT_OF_RANGE = _of_features("loan_feature_values_out_of_range:increase")
_UNSEEN = _of_features("loan_feature_values_unseen:increase")
_MISSING = _of_features("loan_feature_values_missing:increase")
_BINS = f"job_model_version_feature_bin:loan_feature_values:ratio$window{_FEATURE}"
_REFERENCE_BINS = f"job_model_version_feature_bin:loan_feature_reference_ratio:max{_FEATURE}"
_SCORES = f"job_model_version_bin:loan_score_values:ratio$window{_MODEL}"
_REFERENCE_SCORES = f"job_model_version_bin:loan_score_reference_ratio:max{_MODEL}"
_DECIDED = _of_model("loan_decisions:increase")
_APPROVAL = f"{_of_model('loan_decisions_approved:increase')} / ({_DECIDED} > 0)"
_REFERENCE_APPROVAL = f"job_model_version:loan_decisions_approved_reference:ratio{_MODEL}"
_APPROVAL_NOISE = f"3 * {_of_model('loan_decisions_approved:standard_error')}"

_MODEL_ROW = Row(
    "Model",
    (
        Panel(
            "Served models",
            "The currently served version. Two rows are normal during a promotion; if they remain, "
            "see the alert on version skew.",
            "none",
            (
                Query(
                    'count by (model_version, registry_version, algorithm, scorer) (loan_model_info{job="$job"} == 1)',
                    "instances",
                ),
            ),
            "table",
            height=6,
            key="model_version",
        ),
        Panel(
            "Instances by served version",
            "Instances by served version. Lines should cross only at a promotion or rollback.",
            "none",
            (Query('count by (model_version) (loan_model_info{job="$job"} == 1)', "{{model_version}}"),),
            height=6,
            decimals=0,
        ),
        Panel(
            "Decisions in the window",
            f"Decisions of the selected version. There are no drift alerts below {ENOUGH_DECISIONS}, because chance "
            "dominates small samples.",
            "short",
            (Query(_DECIDED, "decided"),),
            "stat",
            width=4,
            height=6,
            thresholds=(100, ENOUGH_DECISIONS),
            low_is_bad=True,
            decimals=0,
        ),
        Panel(
            "Reference applications",
            "Number of applications in the reference distribution.",
            "short",
            (Query(f"job_model_version:loan_reference_applications:max{_MODEL}", "applications"),),
            "stat",
            width=4,
            height=6,
            decimals=0,
        ),
    ),
)

_DRIFT_ROW = Row(
    "Drift of the features",
    (
        Panel(
            "PSI in the window",
            f"Population stability index of each feature against the training data. Below {SOME_DRIFT} is a small "
            f"change, above {MUCH_DRIFT} a large one. Values below the noise level may be chance.",
            "short",
            (Query(_of_features("loan_feature_values:psi"), "{{feature}}"),),
            "bargauge",
            height=10,
            thresholds=(SOME_DRIFT, MUCH_DRIFT),
            decimals=3,
            no_value="nothing decided",
        ),
        Panel(
            "PSI over time",
            f"PSI over the window before each point. Investigate features that stay above {MUCH_DRIFT} (upper line). A "
            "slow rise suggests a change of customers; a jump suggests a change in a client's data.",
            "short",
            (Query(_of_features("loan_feature_values:psi"), "{{feature}}"),),
            height=10,
            thresholds=(SOME_DRIFT, MUCH_DRIFT),
            no_value="nothing decided",
        ),
        Panel(
            "Noise level",
            "The PSI that chance alone exceeds once in a thousand without drift, given the number of applications and "
            f"bins. If it is above {SOME_DRIFT}, choose a longer window.",
            "short",
            (Query(_of_features("loan_feature_values:psi_noise"), "{{feature}}"),),
            height=10,
            thresholds=(SOME_DRIFT,),
            no_value="nothing decided",
        ),
        Panel(
            "Kolmogorov-Smirnov distance",
            "Largest distance between the cumulative distributions of numeric features. It detects "
            "shifts of the whole distribution, while PSI detects changes in single bins. Above 0.2 is "
            "large.",
            "percentunit",
            (Query(_of_features("loan_feature_values:ks"), "{{feature}}"),),
            thresholds=(0.1, 0.2),
            no_value="nothing decided",
        ),
        Panel(
            "Out of range or unseen",
            "Share of values outside the training range or of an unseen category, for which the model "
            "extrapolates. Above 1%, ask the client.",
            "percentunit",
            (Query(f"({_OUT_OF_RANGE} + {_UNSEEN}) / {_VALUES}", "{{feature}}"),),
            thresholds=(0.01,),
            no_value="nothing decided",
        ),
        Panel(
            "Missing",
            "Share of applications without the feature. A jump means that a client has stopped sending it.",
            "percentunit",
            (Query(f"{_MISSING} / {_VALUES}", "{{feature}}"),),
            no_value="nothing decided",
        ),
    ),
)

_FEATURE_ROW = Row(
    "Feature $feature",
    (
        Panel(
            "$feature: window against training",
            "Share of each bin: the values that cause the PSI.",
            "percentunit",
            (
                Query(_by_bin(_BINS), "window"),
                Query(_by_bin(_REFERENCE_BINS), "training"),
            ),
            "bars",
            width=12,
            height=9,
            no_value="nothing decided",
        ),
        Panel(
            "$feature: bins over time",
            "Share of each bin over the window before each point: the time when the drift began.",
            "percentunit",
            (Query(_BINS, "{{bin}}"),),
            width=12,
            height=9,
            maximum=1,
            stacked=True,
            no_value="nothing decided",
        ),
    ),
)

_SCORE_ROW = Row(
    "Score and approvals",
    (
        Panel(
            "Approval probability: window against training",
            "Share of each bin. A rise around the middle means that the model is less certain.",
            "percentunit",
            (
                Query(_by_bin(_SCORES), "window"),
                Query(_by_bin(_REFERENCE_SCORES), "training"),
            ),
            "bars",
            width=12,
            height=9,
            no_value="nothing decided",
        ),
        Panel(
            "Approval probability: PSI",
            f"PSI of the approval probability, with its noise level. The alert on score drift fires above both "
            f"{MUCH_DRIFT} and the noise. Features with little influence may drift without it.",
            "short",
            (
                Query(_of_model("loan_score_values:psi"), "PSI"),
                Query(_of_model("loan_score_values:psi_noise"), "noise level"),
            ),
            width=12,
            height=9,
            thresholds=(SOME_DRIFT, MUCH_DRIFT),
            no_value="nothing decided",
        ),
        Panel(
            "Approval rate against its reference",
            "The approval rate, and its reference with a band of three standard errors: the rate on training data or, "
            "with a policy, of the week before. Values outside the band are not due to chance.",
            "percentunit",
            (
                Query(_APPROVAL, "approved"),
                Query(_REFERENCE_APPROVAL, "reference"),
                Query(f"clamp_max({_REFERENCE_APPROVAL} + {_APPROVAL_NOISE}, 1)", "upper"),
                Query(f"clamp_min({_REFERENCE_APPROVAL} - {_APPROVAL_NOISE}, 0)", "lower"),
            ),
            width=12,
            maximum=1,
        ),
        Panel(
            "Approval probability: quantiles",
            "Median and quartiles of the approval probability. They move before the approval rate does.",
            "percentunit",
            tuple(
                Query(
                    f"histogram_quantile({share}, sum by (le) "
                    f"(rate(loan_prediction_probability_bucket{_MODEL}[$window])))",
                    name,
                )
                for share, name in ((0.25, "first quartile"), (0.5, "median"), (0.75, "third quartile"))
            ),
            width=12,
            maximum=1,
        ),
    ),
)

DASHBOARD = Dashboard(
    "loan-model-and-drift",
    "Loan decisions: model and drift",
    "The served model, and the drift of applications from its training data.",
    (JOB, MODEL_VERSION, FEATURE, DRIFT_WINDOW),
    (_MODEL_ROW, _DRIFT_ROW, _FEATURE_ROW, _SCORE_ROW),
    since="now-7d",
)
