"""Whether the instances have what they need, and who is refused."""

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
            "1 while Prometheus can scrape the instance. At 0 it is down, or the password for /metrics does not match.",
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
            "Living web workers of each instance. A worker that ends is replaced within seconds; worry when the number "
            "stays low or keeps moving.",
            "none",
            (Query(f"sum by (instance) (loan_workers{{{_HERE}}})", "{{instance}}"),),
            width=6,
            decimals=0,
        ),
        Panel(
            "Scrape duration",
            "How long reading the metrics takes. Usual are some 20 ms. Over a second something keeps the service from "
            "answering; at ten seconds the scrape is lost.",
            "s",
            (Query(f"scrape_duration_seconds{{{_HERE}}}", "{{instance}}"),),
            width=6,
            thresholds=(_SCRAPE_SECONDS,),
        ),
        Panel(
            "Samples in a scrape",
            "Grows with each model version that was served. At 10,000 Prometheus refuses the scrape: then a label has "
            "run wild.",
            "short",
            (Query(f"scrape_samples_scraped{{{_HERE}}}", "{{instance}}"),),
            width=6,
            thresholds=(5_000, 10_000),
        ),
        Panel(
            "Model reloads",
            "How often workers changed to another model version in the last quarter of an hour, and failed to. "
            "Failures repeat each minute while they last; the version before goes on deciding.",
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
            "Refused access",
            "Requests a second without a key, with an unknown one, or one without the scope. A rise is a caller whose "
            "key was rotated, or somebody who tries keys.",
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
            "Processor by worker",
            "Cores that each web worker uses. At 1 it can do no more, as each has one thread of Python. One far above "
            "the others has the large batches.",
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
            "Processor and its limit",
            "Cores that all web workers of an instance use, and the container's limit, if there is one.",
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
            "Share of time that the container was kept from the processor by its limit, over all its threads, so it "
            "can exceed 1. Above 0.1 latency suffers: raise the limit or lower the number of workers.",
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
            "Memory, of the limit",
            f"Of each container. Over {_FULL:.0%} it will soon be killed for want of memory. Empty where there is no "
            "limit.",
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
            "What cannot be given back at once, and the limit. A steady rise over days is a leak.",
            "bytes",
            (
                Query(f"max by (instance) (loan_container_memory_bytes{{{_HERE}}})", "{{instance}} used"),
                Query(f"max by (instance) (loan_container_memory_limit_bytes{{{_HERE}}})", "{{instance}} limit"),
            ),
            width=6,
        ),
        Panel(
            "Memory by worker",
            "Resident memory of each web worker. They share some of it, so the sum is more than the container's. A "
            "step up at a promotion is the second model.",
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
            "Open files, of the limit",
            "By worker. A steady rise means that connections or files are not closed; at 100 % requests fail.",
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
    "Do the instances have what they need, and who is refused?",
    (JOB, INSTANCE),
    (_INSTANCES, _PROCESSOR, _MEMORY_AND_FILES),
)
