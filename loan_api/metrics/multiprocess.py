"""Metrics of many workers as one, over the files of prometheus_client's multiprocess mode and of our own tallies.

A worker writes into files named after its slot, not its pid: the worker that takes the place of a dead one goes on in
its predecessor's files. So counters never go backwards and files do not pile up.
"""

from contextlib import nullcontext
from pathlib import Path

import prometheus_client.values
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from loan_api.metrics.system import ContainerCollector, WorkersCollector, own_control_group
from loan_api.metrics.tallies import TallyBook, TallyCollector


def write_as(slot: int) -> None:
    """Makes this process write its metrics as `slot`. To be called before the first instrument is made."""
    values = prometheus_client.values
    # A worker counts in one thread, gevent's: a lock that nobody else asks for would take half the time of counting.
    values.Lock = nullcontext  # type: ignore[attr-defined,assignment]
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


def expose(registry: CollectorRegistry, tallies: TallyBook, folder: Path | None) -> tuple[bytes, str]:
    """The metrics of all workers whose files are in `folder`, or of this process alone: (text, content type)."""
    everything = CollectorRegistry()
    if folder is None:
        everything.register(registry)
    else:
        MultiProcessCollector(everything, str(folder))  # type: ignore[no-untyped-call]
        everything.register(WorkersCollector(folder))
    everything.register(TallyCollector(tallies))
    everything.register(ContainerCollector(own_control_group()))
    return generate_latest(everything), CONTENT_TYPE_LATEST
