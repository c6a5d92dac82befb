"""Metrics of many workers as one, over the files of prometheus_client's multiprocess mode.

A worker writes into files named after its slot, not its pid: the worker that takes the place of a dead one goes on in
its predecessor's files. So counters never go backwards and files do not pile up.
"""

import os

import prometheus_client.values
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from loan_api.metrics.slots import FOLDER_VARIABLE


def write_as(slot: int) -> None:
    """Makes this process write its metrics as `slot`. To be called before the first instrument is made."""
    prometheus_client.values.ValueClass = prometheus_client.values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


def expose(registry: CollectorRegistry) -> tuple[bytes, str]:
    """The metrics of all workers, or of `registry` alone outside the multiprocess mode: (text, content type)."""
    if FOLDER_VARIABLE in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST
