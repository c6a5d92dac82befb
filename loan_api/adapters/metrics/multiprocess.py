"""Metrics of many workers as one, over the files of prometheus_client's multiprocess mode and of our own tallies.

A worker writes into files named after its slot, not its pid: the worker that takes the place of a dead one goes on in
its predecessor's files. So counters never go backwards and files do not pile up.
"""

import logging
import os
from contextlib import nullcontext
from pathlib import Path

import prometheus_client.values
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from loan_api.adapters.metrics.instruments import METRICS
from loan_api.adapters.metrics.slots import FOLDER_VARIABLE, metrics_folder
from loan_api.adapters.metrics.system import ContainerCollector, WorkersCollector, own_control_group
from loan_api.adapters.metrics.tallies import TallyBook, TallyCollector

# As large as prometheus_client makes them at first, which is room for some thousand series.
_FILE_BYTES = 2**20

_log = logging.getLogger(__name__)


def write_as(slot: int | str) -> None:
    """Makes this process write its metrics as `slot`. To be called before the first instrument is made.

    Where the disk has no room for them, this process counts for itself alone, and says so.
    """
    folder = metrics_folder()
    values = prometheus_client.values
    try:
        if folder is not None:
            _reserve(folder, slot)
    except OSError as error:
        _log.error("metrics of this worker are not shared", extra={"error": type(error).__name__})
        os.environ.pop(FOLDER_VARIABLE)
        values.ValueClass = values.MutexValue
        return
    # A worker counts in one thread, gevent's: a lock that nobody else asks for would take half the time of counting.
    values.Lock = nullcontext  # type: ignore[attr-defined,assignment]
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


def _reserve(folder: Path, slot: int | str) -> None:
    """Takes room for the files: prometheus_client maps them with holes, and a full disk would kill who fills one."""
    # It may have been removed under way; who comes from now on counts anew.
    folder.mkdir(parents=True, exist_ok=True)
    prefixes = {metric.kind + (f"_{metric.across_workers}" if metric.across_workers else "") for metric in METRICS}
    for prefix in prefixes - {"gauge"}:
        descriptor = os.open(folder / f"{prefix}_{slot}.db", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.posix_fallocate(descriptor, 0, _FILE_BYTES)
        finally:
            os.close(descriptor)


def expose(registry: CollectorRegistry, tallies: TallyBook, folder: Path | None) -> tuple[bytes, str]:
    """The metrics of all workers whose files are in `folder`, or of this process alone: (text, content type)."""
    everything = CollectorRegistry()
    if folder is None:
        everything.register(registry)
    else:
        # Somebody may have removed it.
        folder.mkdir(parents=True, exist_ok=True)
        MultiProcessCollector(everything, str(folder))  # type: ignore[no-untyped-call]
        everything.register(WorkersCollector(folder))
    everything.register(TallyCollector(tallies))
    everything.register(ContainerCollector(own_control_group()))
    return generate_latest(everything), CONTENT_TYPE_LATEST
