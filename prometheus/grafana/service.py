"""The dashboard on availability and latency."""

from prometheus.grafana.choices import INSTANCE, JOB
from prometheus.grafana.panels import Dashboard, Panel, Query, Row

# The service level objectives; the burn rate alerts use the same numbers.
AVAILABILITY = 0.999
FAST_ENOUGH = 0.99
FAST_SECONDS = 0.1
_FAST_BUCKET = f'le="{FAST_SECONDS}"'

_HERE = 'job="$job", instance=~"$instance"'
# Exclude probes and scrapes, which would outnumber the clients' requests.
_CLIENTS = f'{_HERE}, route!~"/health.*|/metrics"'
_DECIDED = f'{_HERE}, route=~"/predict.*"'
_SINGLE = f'{_HERE}, route="/predict"'
_BURN_WINDOWS = ("5m", "1h", "6h", "3d")
# An error budget of 30 days lasts 30 days at the first burn rate and about two at the second.
_BURN_THRESHOLDS = (1.0, 14.4)


def _requests(selector: str, window: str = "$__rate_interval") -> str:
    return f"sum(rate(loan_http_requests_total{{{selector}}}[{window}]))"


def _error_ratio(window: str) -> str:
    failed = _requests(f'{_CLIENTS}, status=~"5.."', window)
    return f"({failed} or vector(0)) / ({_requests(_CLIENTS, window)} > 0)"


def _slow_ratio(window: str) -> str:
    fast = f"sum(rate(loan_http_request_duration_seconds_bucket{{{_SINGLE}, {_FAST_BUCKET}}}[{window}]))"
    every = f"sum(rate(loan_http_request_duration_seconds_count{{{_SINGLE}}}[{window}]))"
    return f"1 - {fast} / ({every} > 0)"


def _quantile(share: float, selector: str, *by: str) -> str:
    labels = ", ".join((*by, "le"))
    rate = f"rate(loan_http_request_duration_seconds_bucket{{{selector}}}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by ({labels}) ({rate}))"


_NOW = Row(
    "Now",
    (
        Panel(
            "Requests",
            "Requests per second, without probes and scrapes. Investigate values that are unusual for the time of day.",
            "reqps",
            (Query(_requests(_CLIENTS), "requests"),),
            "stat",
            width=4,
            height=4,
        ),
        Panel(
            "Error rate",
            f"Share of requests answered with a 5xx. {1 - AVAILABILITY:.1%} is the budget for 30 days.",
            "percentunit",
            (Query(_error_ratio("$__rate_interval"), "failed"),),
            "stat",
            width=4,
            height=4,
            thresholds=(1 - AVAILABILITY, 0.0144),
            decimals=2,
            no_value="no requests",
        ),
        Panel(
            "99th percentile",
            f"For single predictions. Investigate values above {FAST_SECONDS * 1000:.0f} ms: more are slow than the "
            "objective allows.",
            "s",
            (Query(_quantile(0.99, _SINGLE), "p99"),),
            "stat",
            width=4,
            height=4,
            thresholds=(FAST_SECONDS / 2, FAST_SECONDS),
            no_value="no requests",
        ),
        Panel(
            "Decisions",
            "Decisions per second, in single requests and batches.",
            "short",
            (Query(f"sum(rate(loan_predictions_total{{{_HERE}}}[$__rate_interval]))", "decisions"),),
            "stat",
            width=4,
            height=4,
            decimals=1,
        ),
        Panel(
            "Served version",
            "Two versions are normal for a moment during a promotion. If both remain for minutes, it "
            "is a version skew.",
            "none",
            (Query(f"max by (model_version) (loan_model_info{{{_HERE}}} == 1)", "{{model_version}}"),),
            "stat",
            width=4,
            height=4,
            names=True,
            no_value="no model",
        ),
        Panel(
            "Alerts firing",
            "Number of firing alerts on this job. Each alert links its runbook.",
            "none",
            (Query('count(ALERTS{alertstate="firing", job="$job"}) or vector(0)', "alerts"),),
            "stat",
            width=4,
            height=4,
            thresholds=(1, 3),
        ),
    ),
)

_TRAFFIC = Row(
    "Traffic and errors",
    (
        Panel(
            "Requests by route",
            "Requests per second. If only one route drops to zero, check its clients and its error rate.",
            "reqps",
            (
                Query(
                    f"sum by (route) (rate(loan_http_requests_total{{{_CLIENTS}}}[$__rate_interval]))",
                    "{{route}}",
                ),
            ),
            stacked=True,
        ),
        Panel(
            "Responses by status",
            "Responses per second. Investigate every 5xx; many 401, 403 or 422 suggest a changed client.",
            "reqps",
            (
                Query(
                    f"sum by (status) (rate(loan_http_requests_total{{{_CLIENTS}}}[$__rate_interval]))",
                    "{{status}}",
                ),
            ),
            stacked=True,
        ),
        Panel(
            "Error rate by route",
            "Share of a route's requests that got a 5xx. The line is the 30-day budget.",
            "percentunit",
            (
                Query(
                    f'sum by (route) (rate(loan_http_requests_total{{{_CLIENTS}, status=~"5.."}}[$__rate_interval])) '
                    f"/ (sum by (route) (rate(loan_http_requests_total{{{_CLIENTS}}}[$__rate_interval])) > 0)",
                    "{{route}}",
                ),
            ),
            thresholds=(1 - AVAILABILITY,),
            no_value="none failed",
        ),
        Panel(
            "Valid requests without a decision",
            "By reason: no model, decision not recorded, overload, or scoring failure. "
            "Each is a 5xx, and none is expected.",
            "reqps",
            (
                Query(
                    f"sum by (reason) (rate(loan_prediction_errors_total{{{_HERE}}}[$__rate_interval]))",
                    "{{reason}}",
                ),
            ),
            width=12,
            no_value="none",
        ),
        Panel(
            "Invalid fields",
            "Invalid fields of applications by field and reason. If a single field rises, a client "
            "has changed its data.",
            "short",
            (
                Query(
                    f"sum by (field, reason) (rate(loan_validation_errors_total{{{_HERE}}}[$__rate_interval])) > 0",
                    "{{field}}: {{reason}}",
                ),
            ),
            width=12,
            no_value="none",
        ),
    ),
)

_LATENCY = Row(
    "Latency",
    (
        Panel(
            "Single predictions",
            f"Response time quantiles. Investigate if the 99th percentile exceeds {FAST_SECONDS * 1000:.0f} ms (line).",
            "s",
            (
                Query(_quantile(0.5, _SINGLE), "p50"),
                Query(_quantile(0.95, _SINGLE), "p95"),
                Query(_quantile(0.99, _SINGLE), "p99"),
            ),
            thresholds=(FAST_SECONDS,),
        ),
        Panel(
            "99th percentile by route",
            "Batches take longer the more applications they have. Investigate values above the usual level.",
            "s",
            (Query(_quantile(0.99, _CLIENTS, "route"), "{{route}}"),),
        ),
        Panel(
            "Single predictions, all durations",
            "Distribution of response times. A second band above the first has its own cause, which quantiles hide.",
            "s",
            (
                Query(
                    f"sum by (le) (rate(loan_http_request_duration_seconds_bucket{{{_SINGLE}}}[$__rate_interval]))",
                    "{{le}}",
                ),
            ),
            "heatmap",
        ),
        Panel(
            "Scoring, 99th percentile",
            "Time to score and decide, without HTTP and validation. If this is low but responses are "
            "slow, requests are queueing.",
            "s",
            (
                Query(
                    "histogram_quantile(0.99, sum by (endpoint, le) "
                    f"(rate(loan_prediction_duration_seconds_bucket{{{_HERE}}}[$__rate_interval])))",
                    "{{endpoint}}",
                ),
            ),
            width=12,
        ),
        Panel(
            "Applications in a batch",
            "Median and 99th percentile. Larger batches explain slower responses.",
            "short",
            tuple(
                Query(
                    f"histogram_quantile({share}, sum by (le) "
                    f"(rate(loan_batch_rows_bucket{{{_HERE}}}[$__rate_interval])))",
                    name,
                )
                for share, name in ((0.5, "median"), (0.99, "p99"))
            ),
            width=12,
            no_value="no batches",
        ),
    ),
)

_OBJECTIVES = Row(
    "Objectives",
    (
        Panel(
            "Availability: burn rate",
            f"Rate at which errors consume the budget ({1 - AVAILABILITY:.1%} over 30 days is 1). An alert "
            "pages above 14.4 in both the short and the long window, which uses up the monthly budget in two days.",
            "short",
            tuple(Query(f"({_error_ratio(window)}) / {1 - AVAILABILITY:.4g}", window) for window in _BURN_WINDOWS),
            thresholds=_BURN_THRESHOLDS,
        ),
        Panel(
            "Latency: burn rate",
            f"The same for single predictions slower than {FAST_SECONDS * 1000:.0f} ms, of which {1 - FAST_ENOUGH:.0%} "
            "are allowed.",
            "short",
            tuple(Query(f"({_slow_ratio(window)}) / {1 - FAST_ENOUGH:.4g}", window) for window in _BURN_WINDOWS),
            thresholds=_BURN_THRESHOLDS,
        ),
        Panel(
            "Remaining 30-day error budget",
            "Share of the budget that remains. At 0 the objective is missed: prioritise reliability "
            "over changes. Covers the retention of Prometheus, at most 30 days.",
            "percentunit",
            (
                Query(f"1 - ({_error_ratio('30d')}) / {1 - AVAILABILITY:.4g}", "availability"),
                Query(f"1 - ({_slow_ratio('30d')}) / {1 - FAST_ENOUGH:.4g}", "latency"),
            ),
            "stat",
            thresholds=(0, 0.25),
            low_is_bad=True,
            minimum=None,
            decimals=1,
            no_value="no requests",
        ),
    ),
)

_SATURATION = Row(
    "Saturation",
    (
        Panel(
            "Requests in progress",
            "Concurrent requests. A lasting rise means that requests arrive faster than they are answered.",
            "short",
            (Query(f"sum by (instance) (loan_http_requests_in_progress{{{_HERE}}})", "{{instance}}"),),
        ),
        Panel(
            "Rejected because of overload",
            "Requests per second rejected because of overload. If it happens regularly, add a replica.",
            "reqps",
            (
                Query(
                    "sum by (instance) (rate(loan_prediction_errors_total"
                    f'{{{_HERE}, reason="saturated"}}[$__rate_interval]))',
                    "{{instance}}",
                ),
            ),
            no_value="none",
        ),
        Panel(
            "CPU usage relative to the limit",
            "All web workers together. Near 100%, requests wait for the CPU. Empty without a limit.",
            "percentunit",
            (
                Query(
                    f"sum by (instance) (rate(loan_worker_cpu_seconds_total{{{_HERE}}}[$__rate_interval])) "
                    f"/ sum by (instance) (loan_container_cpu_limit_cores{{{_HERE}}})",
                    "{{instance}}",
                ),
            ),
            thresholds=(0.9,),
            no_value="no limit",
        ),
    ),
)

DASHBOARD = Dashboard(
    "loan-service",
    "Loan decisions: service",
    "Availability, errors and latency of the service. Start here.",
    (JOB, INSTANCE),
    (_NOW, _TRAFFIC, _LATENCY, _OBJECTIVES, _SATURATION),
)
