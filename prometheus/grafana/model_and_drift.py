"""Which model decides, and whether applications still look like those that it was trained on."""

from prometheus.grafana.choices import FEATURE, JOB, MODEL_VERSION, WINDOW
from prometheus.grafana.panels import Dashboard, Panel, Query, Row

# The industry's rule of thumb; the alert is about the second.
SOME_DRIFT, MUCH_DRIFT = 0.1, 0.25
# As in loan_api/credit/drift.py: a share of nothing would make the logarithm infinite.
SMALLEST_SHARE = 0.0001
# The 99th percentile of the standard normal distribution.
_Z99 = 2.326
# A feature of numbers has bins from 00 to 13.
MOST_BINS = 14
# These have no order, so no cumulative distribution.
CATEGORIES = ("education", "self_employed")

_MODEL = 'job="$job", model_version="$model_version"'
_FEATURE = f'{_MODEL}, feature="$feature"'
_NUMBERS = f'{_MODEL}, feature!~"{"|".join(CATEGORIES)}"'


def _served_share(metric: str, selector: str, by: str) -> str:
    """Each bin's share of what came in the window; `by` ends in `bin`. Nothing where nothing came."""
    values = f"sum by ({by}) (increase({metric}{{{selector}}}[$window]))"
    whole = by.removesuffix("bin").rstrip(", ")
    total = f"sum by ({whole}) (increase({metric}{{{selector}}}[$window]))"
    return f"{values} / ignoring (bin) group_left () ({total} > 0)"


def _reference_share(metric: str, selector: str, by: str) -> str:
    """The same of the training data; all replicas say the same."""
    return f"max by ({by}) ({metric}{{{selector}}})"


def _psi(counted: str, reference: str, by: str) -> str:
    served = f"clamp_min({_served_share(counted, _MODEL, by)}, {SMALLEST_SHARE})"
    trained = f"clamp_min({_reference_share(reference, _MODEL, by)}, {SMALLEST_SHARE})"
    whole = by.removesuffix("bin").rstrip(", ")
    return f"sum by ({whole}) (({served} - {trained}) * ln({served} / {trained}))"


def _noise(counted: str, reference: str, by: str) -> str:
    """The PSI that chance alone exceeds once in a hundred: χ² of the bins in use, over both sample sizes."""
    whole = by.removesuffix("bin").rstrip(", ")
    freedom = f"(count by ({whole}) ({_reference_share(reference, _MODEL, by)} > 0) - 1)"
    chi_square = f"{freedom} * (1 - 2 / (9 * {freedom}) + {_Z99} * sqrt(2 / (9 * {freedom}))) ^ 3"
    came = f"(sum by ({whole}) (increase({counted}{{{_MODEL}}}[$window])) > 0)"
    trained = f"scalar(max(loan_reference_applications{{{_MODEL}}}))"
    return f"{chi_square} * (1 / {came} + 1 / {trained})"


def _ks() -> str:
    """The largest distance between the two cumulative distributions, of every feature of numbers."""
    total = f"(sum by (feature) (increase(loan_feature_values_total{{{_NUMBERS}}}[$window])) > 0)"
    distances = []
    for last in range(MOST_BINS - 1):
        up_to = "|".join(f"{position:02d}" for position in range(last + 1))
        selector = f'{_NUMBERS}, bin=~"({up_to}) .*"'
        served = f"sum by (feature) (increase(loan_feature_values_total{{{selector}}}[$window])) / {total}"
        reference = _reference_share("loan_feature_reference_ratio", selector, "feature, bin")
        trained = f"sum by (feature) ({reference})"
        distances.append(f'label_replace(abs({served} - {trained}), "up_to", "{last:02d}", "", "")')
    return f"max by (feature) ({' or '.join(distances)})"


def _came_in(metric: str, pattern: str) -> str:
    odd = f'sum by (feature) (increase({metric}{{{_MODEL}, bin=~"{pattern}"}}[$window]))'
    return f"{odd} / (sum by (feature) (increase({metric}{{{_MODEL}}}[$window])) > 0)"


_FEATURES = ("loan_feature_values_total", "loan_feature_reference_ratio", "feature, bin")
_SCORES = ("loan_score_values_total", "loan_score_reference_ratio", "bin")
_DECIDED = f"increase(loan_predictions_total{{{_MODEL}}}[$window])"
_APPROVED = f'sum(increase(loan_predictions_total{{{_MODEL}, outcome="approved"}}[$window]))'
_APPROVAL = f"({_APPROVED} or vector(0)) / (sum({_DECIDED}) > 0)"
_REFERENCE_APPROVAL = f"max(loan_reference_approval_ratio{{{_MODEL}}})"
# Three standard errors of a share, for as many as were decided.
_APPROVAL_NOISE = f"3 * sqrt({_REFERENCE_APPROVAL} * (1 - {_REFERENCE_APPROVAL}) / (sum({_DECIDED}) > 0))"

_MODEL_ROW = Row(
    "Model",
    (
        Panel(
            "Served models",
            "What decides now. Two rows are well while workers change to another version; when they stay, see the "
            "alert on version skew.",
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
            "How many instances serve each version. Lines cross at a promotion or a rollback and at no other time.",
            "none",
            (Query('count by (model_version) (loan_model_info{job="$job"} == 1)', "{{model_version}}"),),
            height=6,
            decimals=0,
        ),
        Panel(
            "Decided in the window",
            "Applications of the chosen version. Below 500 drift is not alerted on: chance alone moves the numbers.",
            "short",
            (Query(f"sum({_DECIDED})", "decided"),),
            "stat",
            width=4,
            height=6,
            thresholds=(100, 500),
            low_is_bad=True,
            decimals=0,
        ),
        Panel(
            "Trained on",
            "Applications that the reference distribution was counted over.",
            "short",
            (Query(f"max(loan_reference_applications{{{_MODEL}}})", "applications"),),
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
            f"Population stability index of each feature against the training data. Below {SOME_DRIFT} little has "
            f"changed, over {MUCH_DRIFT} much has. Compare with the noise level: what lies below that may be chance.",
            "short",
            (Query(_psi(*_FEATURES), "{{feature}}"),),
            "bargauge",
            height=10,
            thresholds=(SOME_DRIFT, MUCH_DRIFT),
            decimals=3,
            no_value="nothing decided",
        ),
        Panel(
            "PSI over time",
            f"The same, each point looking back over the window. Worry when a feature stays over {MUCH_DRIFT} (upper "
            "line). A slow rise is a change of customers; a jump is more often a change in what a caller sends.",
            "short",
            (Query(_psi(*_FEATURES), "{{feature}}"),),
            height=10,
            thresholds=(SOME_DRIFT, MUCH_DRIFT),
            no_value="nothing decided",
        ),
        Panel(
            "Noise level",
            "The PSI that chance alone exceeds once in a hundred when nothing has changed, by the number of "
            f"applications and bins. While it is over {SOME_DRIFT}, choose a longer window.",
            "short",
            (Query(_noise(*_FEATURES), "{{feature}}"),),
            height=10,
            thresholds=(SOME_DRIFT,),
            no_value="nothing decided",
        ),
        Panel(
            "Kolmogorov-Smirnov distance",
            "Largest distance between the cumulative distributions, of features of numbers. It sees a shift of the "
            "whole distribution where the PSI sees single bins. Over 0.2 is much.",
            "percentunit",
            (Query(_ks(), "{{feature}}"),),
            thresholds=(0.1, 0.2),
            no_value="nothing decided",
        ),
        Panel(
            "Out of range or unseen",
            "Share of values below or above what was declared, or of a category that training never saw. The model has "
            "learnt nothing about them. Over 1 % ask the caller.",
            "percentunit",
            (Query(_came_in("loan_feature_values_total", ".* (below|above|unseen)"), "{{feature}}"),),
            thresholds=(0.01,),
            no_value="nothing decided",
        ),
        Panel(
            "Missing",
            "Share of applications without the feature. A jump means that a caller has stopped sending it.",
            "percentunit",
            (Query(_came_in("loan_feature_values_total", ".* missing"), "{{feature}}"),),
            no_value="nothing decided",
        ),
    ),
)

_FEATURE_ROW = Row(
    "Feature $feature",
    (
        Panel(
            "$feature: window against training",
            "Share of each bin. It shows what the PSI is made of: which values have become more or fewer.",
            "percentunit",
            (
                Query(_served_share("loan_feature_values_total", _FEATURE, "bin"), "window"),
                Query(_reference_share("loan_feature_reference_ratio", _FEATURE, "bin"), "training"),
            ),
            "bars",
            width=12,
            height=9,
            no_value="nothing decided",
        ),
        Panel(
            "$feature: bins over time",
            "Share of each bin, each point looking back over the window. It shows since when.",
            "percentunit",
            (Query(_served_share("loan_feature_values_total", _FEATURE, "bin"), "{{bin}}"),),
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
            "Share of each bin. More around the middle means that the model has become less sure.",
            "percentunit",
            (
                Query(_served_share("loan_score_values_total", _MODEL, "bin"), "window"),
                Query(_reference_share("loan_score_reference_ratio", _MODEL, "bin"), "training"),
            ),
            "bars",
            width=12,
            height=9,
            no_value="nothing decided",
        ),
        Panel(
            "Approval probability: PSI",
            f"Of the model's answers, with its noise level. Over {MUCH_DRIFT} and the noise the alert on score drift "
            "fires. Features may drift without it, when they weigh little.",
            "short",
            (
                Query(_psi(*_SCORES), "PSI"),
                Query(_noise(*_SCORES), "noise level"),
            ),
            width=12,
            height=9,
            thresholds=(SOME_DRIFT, MUCH_DRIFT),
            no_value="nothing decided",
        ),
        Panel(
            "Approval rate against training",
            "Share of approvals, and that among the training data with three standard errors around it. Outside the "
            "band it is no chance.",
            "percentunit",
            (
                Query(_APPROVAL, "approved"),
                Query(_REFERENCE_APPROVAL, "training"),
                Query(f"clamp_max({_REFERENCE_APPROVAL} + {_APPROVAL_NOISE}, 1)", "upper"),
                Query(f"clamp_min({_REFERENCE_APPROVAL} - {_APPROVAL_NOISE}, 0)", "lower"),
            ),
            width=12,
            maximum=1,
        ),
        Panel(
            "Approval probability: quantiles",
            "Median and quartiles of what was decided. They move before the approval rate does.",
            "percentunit",
            tuple(
                Query(
                    f"histogram_quantile({share}, sum by (le) "
                    f"(rate(loan_prediction_probability_bucket{{{_MODEL}}}[$window])))",
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
    "Which model decides, and do applications still look like those that it was trained on?",
    (JOB, MODEL_VERSION, FEATURE, WINDOW),
    (_MODEL_ROW, _DRIFT_ROW, _FEATURE_ROW, _SCORE_ROW),
    since="now-7d",
)
