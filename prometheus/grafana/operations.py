"""The dashboard on operations."""

from prometheus.grafana.choices import INSTANCE, JOB
from prometheus.grafana.panels import Dashboard, Panel, Query, Row

_HERE = 'job="$job", instance=~"$instance"'
_SCRAPE_SECONDS = 1
_NEARLY_FULL, _FULL = 0.8, 0.9

_INSTANCES = Row(
    "Instances",
    (
        Panel(
            "Up",
            "1 while Prometheus can scrape the instance. At 0 it is down, or the password for /metrics is wrong.",
            "none",
            (Query(f"up{{{_HERE}}}", "{{instance}}"),),
            width=6,
            thresholds=(1,),
            low_is_bad=True,
            maximum=1,
            decimals=0,
        ),
        Panel(
            "Workers",
            "Living web workers of each instance. A worker that ends is replaced within seconds; "
            "investigate if the number stays low or keeps changing.",
            "none",
            (Query(f"sum by (instance) (loan_workers{{{_HERE}}})", "{{instance}}"),),
            width=6,
            decimals=0,
        ),
        Panel(
            "Scrape duration",
            "Duration of a scrape, usually 20 to 50 ms. Above a second the service is blocked; after "
            "ten seconds the scrape fails.",
            "s",
            (Query(f"scrape_duration_seconds{{{_HERE}}}", "{{instance}}"),),
            width=6,
            thresholds=(_SCRAPE_SECONDS,),
        ),
        Panel(
            "Samples in a scrape",
            "Grows with each served model version. Prometheus rejects scrapes above 10,000, a sign of "
            "exploding label cardinality.",
            "short",
            (Query(f"scrape_samples_scraped{{{_HERE}}}", "{{instance}}"),),
            width=6,
            thresholds=(5_000, 10_000),
        ),
        Panel(
            "Model reloads",
            "Successful and failed loads of a model version in the last 15 minutes. "
            "A lasting failure is counted every minute; the previous version keeps deciding.",
            "short",
            (
                Query(
                    f"sum by (instance, result) (increase(loan_model_reloads_total{{{_HERE}}}[15m]))",
                    "{{instance}} {{result}}",
                ),
            ),
            width=12,
            decimals=0,
            no_value="none",
        ),
        Panel(
            "Refused requests by reason",
            "Requests per second without a key, with an unknown key, or without the required scope. A "
            "rise suggests a client with an outdated key, or someone guessing keys.",
            "reqps",
            (
                Query(
                    f"sum by (reason) (rate(loan_access_refusals_total{{{_HERE}}}[$__rate_interval]))",
                    "{{reason}}",
                ),
            ),
            width=12,
            no_value="none",
        ),
    ),
)

_PROCESSOR = Row(
    "Processor",
    (
        Panel(
            "CPU by worker",
            "Cores used by each web worker. A worker is saturated at 1, as it runs Python in one "
            "thread. A worker far above the others handles large batches.",
            "short",
            (
                Query(
                    f"sum by (instance, worker) (rate(loan_worker_cpu_seconds_total{{{_HERE}}}[$__rate_interval]))",
                    "{{instance}} worker {{worker}}",
                ),
            ),
            thresholds=(1,),
        ),
        Panel(
            "CPU and its limit",
            "Cores used by all web workers of an instance, and the container's limit, if any.",
            "short",
            (
                Query(
                    f"sum by (instance) (rate(loan_worker_cpu_seconds_total{{{_HERE}}}[$__rate_interval]))",
                    "{{instance}} used",
                ),
                Query(f"max by (instance) (loan_container_cpu_limit_cores{{{_HERE}}})", "{{instance}} limit"),
            ),
        ),
        Panel(
            "Throttled",
            "Share of time for which the CPU limit throttled the container, summed over its threads, "
            "so it can exceed 1. Above 0.1 latency suffers: raise the limit or reduce the number of "
            "workers.",
            "percentunit",
            (
                Query(
                    "sum by (instance) "
                    f"(rate(loan_container_cpu_throttled_seconds_total{{{_HERE}}}[$__rate_interval]))",
                    "{{instance}}",
                ),
            ),
            thresholds=(0.1,),
        ),
    ),
)

_MEMORY_AND_FILES = Row(
    "Memory and files",
    (
        Panel(
            "Memory relative to the limit",
            f"Of each container. Over {_FULL:.0%} it is at risk of an out-of-memory kill. Empty without a limit.",
            "percentunit",
            (
                Query(
                    f"max by (instance) (loan_container_memory_bytes{{{_HERE}}}) "
                    f"/ max by (instance) (loan_container_memory_limit_bytes{{{_HERE}}})",
                    "{{instance}}",
                ),
            ),
            width=6,
            thresholds=(_NEARLY_FULL, _FULL),
            maximum=1,
            no_value="no limit",
        ),
        Panel(
            "Memory of the container",
            "Memory that the kernel cannot reclaim immediately, and the limit. A steady rise over days is a leak.",
            "bytes",
            (
                Query(f"max by (instance) (loan_container_memory_bytes{{{_HERE}}})", "{{instance}} used"),
                Query(f"max by (instance) (loan_container_memory_limit_bytes{{{_HERE}}})", "{{instance}} limit"),
            ),
            width=6,
        ),
        Panel(
            "Memory by worker",
            "Resident memory of each web worker. Workers share some of it, so the sum exceeds the container's. A step "
            "at a promotion is the second model.",
            "bytes",
            (
                Query(
                    f"max by (instance, worker) (loan_worker_resident_memory_bytes{{{_HERE}}})",
                    "{{instance}} worker {{worker}}",
                ),
            ),
            width=6,
        ),
        Panel(
            "Open files relative to the limit",
            "By worker. A steady rise means that connections or files are leaking; at 100%, requests fail.",
            "percentunit",
            (
                Query(
                    f"max by (instance, worker) (loan_worker_open_files{{{_HERE}}}) "
                    f"/ max by (instance, worker) (loan_worker_max_open_files{{{_HERE}}})",
                    "{{instance}} worker {{worker}}",
                ),
            ),
            width=6,
            thresholds=(_NEARLY_FULL, _FULL),
            maximum=1,
        ),
    ),
)

DASHBOARD = Dashboard(
    "loan-operations",
    "Loan decisions: operations",
    "Resources of the instances, model reloads and refused requests.",
    (JOB, INSTANCE),
    (_INSTANCES, _PROCESSOR, _MEMORY_AND_FILES),
)
