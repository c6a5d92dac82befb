"""Aggregation of the metrics of all workers, from prometheus_client's multiprocess files and our tallies.

Files are named after the worker's slot, not its pid, so that the successor of a dead worker continues its files.
Counters never go backwards, and files do not accumulate.
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

# The initial size in prometheus_client, enough for several thousand series.
_FILE_BYTES = 2**20

_log = logging.getLogger(__name__)


def write_as(slot: int | str) -> None:
    """Write the metrics of this process to the files of `slot`. Call this before creating the first instrument.

    If the disk is full, log an error and keep the metrics of this process in memory.
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
    # All increments happen in one thread, gevent's; an uncontended lock would take half of their time.
    values.Lock = nullcontext  # type: ignore[attr-defined,assignment]
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


def _reserve(folder: Path, slot: int | str) -> None:
    """Allocate the files: prometheus_client maps sparse ones, and filling a hole on a full disk kills the process."""
    # If the folder was removed while the server runs, new workers start their counters at 0.
    folder.mkdir(parents=True, exist_ok=True)
    prefixes = {metric.kind + (f"_{metric.across_workers}" if metric.across_workers else "") for metric in METRICS}
    for prefix in prefixes - {"gauge"}:
        descriptor = os.open(folder / f"{prefix}_{slot}.db", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.posix_fallocate(descriptor, 0, _FILE_BYTES)
        finally:
            os.close(descriptor)


def expose(registry: CollectorRegistry, tallies: TallyBook, folder: Path | None) -> tuple[bytes, str]:
    """Return the metrics of all workers with files in `folder`, or of this process only, and their content type."""
    everything = CollectorRegistry()
    if folder is None:
        everything.register(registry)
    else:
        # The folder may have been removed.
        folder.mkdir(parents=True, exist_ok=True)
        MultiProcessCollector(everything, str(folder))  # type: ignore[no-untyped-call]
        everything.register(WorkersCollector(folder))
    everything.register(TallyCollector(tallies))
    everything.register(ContainerCollector(own_control_group()))
    return generate_latest(everything), CONTENT_TYPE_LATEST
