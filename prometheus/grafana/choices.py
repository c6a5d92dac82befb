"""The variables that dashboards share."""

from prometheus.grafana.panels import Variable

JOB = Variable("job", "Job", "The service's name in Prometheus.", query="label_values(loan_workers, job)")
INSTANCE = Variable(
    "instance",
    "Instance",
    "One replica, or all together.",
    query='label_values(loan_workers{job="$job"}, instance)',
    several=True,
)
MODEL_VERSION = Variable(
    "model_version",
    "Model version",
    "A version that is or was served; newest first.",
    query='label_values(loan_model_info{job="$job"}, model_version)',
)
FEATURE = Variable(
    "feature",
    "Feature",
    "The one whose values are shown bin by bin.",
    query='label_values(loan_feature_reference_ratio{job="$job"}, feature)',
)
WINDOW = Variable(
    "window",
    "Window",
    "How far back each point looks.",
    values=("1h", "6h", "1d", "7d", "30d"),
    default="1d",
)
# The windows over which the rules record drift.
DRIFT_WINDOW = Variable(
    "window",
    "Window",
    "How far back each point looks, as the alerts do.",
    values=("1h", "1d"),
    default="1d",
)
