"""Metrics of outcomes that a command imports on the host of a running service."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from loan_api.adapters.metrics.instruments import OutcomeInstruments
from loan_api.adapters.metrics.multiprocess import write_as
from loan_api.adapters.metrics.observers import OutcomeMetrics
from loan_api.adapters.metrics.slots import FOLDER_VARIABLE
from loan_api.services.audit import NewOutcome, OutcomeObserver

# Takes the place of a worker's slot.
_SLOT = "import"


@contextmanager
def counted_imports(folder: Path) -> Iterator[OutcomeObserver]:
    """Count into the metrics of the server that owns `folder`, one import at a time, or do nothing without a server."""
    if not folder.is_dir():
        yield _Nobody()
        return
    os.environ[FOLDER_VARIABLE] = str(folder)
    with (folder / f"{_SLOT}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write_as(_SLOT)
        yield OutcomeMetrics(OutcomeInstruments(CollectorRegistry()))


class _Nobody:
    def outcomes_reported(self, new: Sequence[NewOutcome]) -> None:
        """Ignore the outcomes."""
