"""Whether the service answers, fast enough and without errors."""

from prometheus.grafana.choices import INSTANCE, JOB
from prometheus.grafana.panels import Dashboard, Panel, Query, Row

# What is promised; the burn rate alerts are about the same numbers.
AVAILABILITY = 0.999
FAST_ENOUGH = 0.99
FAST_SECONDS = 0.1
_FAST_BUCKET = f'le="{FAST_SECONDS}"'

_HERE = 'job="$job", instance=~"$instance"'
# Probes and scrapes would drown the requests of people and programs.
_ASKED = f'{_HERE}, route!~"/health.*|/metrics"'
_DECIDED = f'{_HERE}, route=~"/predict.*"'
_SINGLE = f'{_HERE}, route="/predict"'
_BURN_WINDOWS = ("5m", "1h", "6h", "3d")
# A budget of 30 days is gone in two days, in five, and in thirty.
_BURN_THRESHOLDS = (1.0, 14.4)


def _requests(selector: str, window: str = "$__rate_interval") -> str:
    return f"sum(rate(loan_http_requests_total{{{selector}}}[{window}]))"


def _error_ratio(window: str) -> str:
    failed = _requests(f'{_ASKED}, status=~"5.."', window)
    return f"({failed} or vector(0)) / ({_requests(_ASKED, window)} > 0)"


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
            "Requests a second, without probes and scrapes. Worry when it is far from what the hour usually brings.",
            "reqps",
            (Query(_requests(_ASKED), "requests"),),
            "stat",
            width=4,
            height=4,
        ),
        Panel(
            "Failed",
            f"Share of requests answered with a 5xx. {1 - AVAILABILITY:.1%} are allowed over 30 days.",
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
            f"Of single predictions. Worry when it is over {FAST_SECONDS * 1000:.0f} ms: as many are slower than "
            "allowed.",
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
            "Applications decided a second, in single requests and batches.",
            "short",
            (Query(f"sum(rate(loan_predictions_total{{{_HERE}}}[$__rate_interval]))", "decisions"),),
            "stat",
            width=4,
            height=4,
            decimals=1,
        ),
        Panel(
            "Served version",
            "Two at once are well while workers change to another, and a version skew when they stay for minutes.",
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
            "How many alerts on this job fire. What to do is in the alert's runbook.",
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
            "Requests a second. A route that falls to nothing while others go on points to its callers, or to "
            "refusals.",
            "reqps",
            (
                Query(
                    f"sum by (route) (rate(loan_http_requests_total{{{_ASKED}}}[$__rate_interval]))",
                    "{{route}}",
                ),
            ),
            stacked=True,
        ),
        Panel(
            "Answers by status",
            "Answers a second. Worry about any 5xx; many 401, 403 or 422 point to a caller that has changed.",
            "reqps",
            (
                Query(
                    f"sum by (status) (rate(loan_http_requests_total{{{_ASKED}}}[$__rate_interval]))",
                    "{{status}}",
                ),
            ),
            stacked=True,
        ),
        Panel(
            "Failed by route",
            "Share of a route's requests answered with a 5xx. The line is what is allowed over 30 days.",
            "percentunit",
            (
                Query(
                    f'sum by (route) (rate(loan_http_requests_total{{{_ASKED}, status=~"5.."}}[$__rate_interval])) '
                    f"/ (sum by (route) (rate(loan_http_requests_total{{{_ASKED}}}[$__rate_interval])) > 0)",
                    "{{route}}",
                ),
            ),
            thresholds=(1 - AVAILABILITY,),
            no_value="none failed",
        ),
        Panel(
            "Valid requests not decided",
            "By reason: there is no model, the decision could not be recorded, too many at once, or scoring failed. "
            "Each is a 5xx, and none should occur.",
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
            "Refused fields",
            "Fields of applications that were refused, by field and reason. A field that rises alone means that a "
            "caller has changed what it sends.",
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
            f"Quantiles of the time from request to answer. Worry when the 99th is over {FAST_SECONDS * 1000:.0f} ms "
            "(line).",
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
            "Batches take longer than single predictions, by their number of applications. Worry about what leaves its "
            "usual height.",
            "s",
            (Query(_quantile(0.99, _ASKED, "route"), "{{route}}"),),
        ),
        Panel(
            "Single predictions, all durations",
            "How many requests a second took how long. A second band above the first is a second cause, which "
            "quantiles hide.",
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
            "Time to score and decide, without HTTP and validation. Where this is low and the answer slow, requests "
            "wait.",
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
            "Median and 99th percentile. Larger batches explain slower answers.",
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
            f"How many times as fast as allowed requests fail ({1 - AVAILABILITY:.1%} over 30 days is 1). Over 14.4 in "
            "both the short and the long window it pages: the month's budget would last two days.",
            "short",
            tuple(Query(f"({_error_ratio(window)}) / {1 - AVAILABILITY:.4g}", window) for window in _BURN_WINDOWS),
            thresholds=_BURN_THRESHOLDS,
        ),
        Panel(
            "Latency: burn rate",
            f"The same of single predictions slower than {FAST_SECONDS * 1000:.0f} ms, of which {1 - FAST_ENOUGH:.0%} "
            "are allowed.",
            "short",
            tuple(Query(f"({_slow_ratio(window)}) / {1 - FAST_ENOUGH:.4g}", window) for window in _BURN_WINDOWS),
            thresholds=_BURN_THRESHOLDS,
        ),
        Panel(
            "Budget left of 30 days",
            "What may still fail or be slow. At 0 the objective is missed: put reliability before changes. It counts "
            "what Prometheus has kept, at most 30 days.",
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
            "How many are handled at once. When it climbs and stays, requests come in faster than they are answered.",
            "short",
            (Query(f"sum by (instance) (loan_http_requests_in_progress{{{_HERE}}})", "{{instance}}"),),
        ),
        Panel(
            "Turned away",
            "Requests a second that were refused as too many were in progress. Any is a reason for another replica.",
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
            "Processor used, of the limit",
            "Of all web workers together. Near 100 % answers wait for the processor. Empty where there is no limit.",
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
    "Does the service answer, fast enough and without errors? Start here.",
    (JOB, INSTANCE),
    (_NOW, _TRAFFIC, _LATENCY, _OBJECTIVES, _SATURATION),
)
