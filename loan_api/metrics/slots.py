"""A slot for each living worker, and the folder where the workers keep their metrics.

Standard library only: gunicorn's master uses it, and must not import what workers have to patch after the fork.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

# Read by prometheus_client.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Handed from the master to the worker.
SLOT_VARIABLE = "LOAN_WORKER_SLOT"


def reset_folder(folder: Path) -> None:
    """Empties the folder of a server that has just started and has no workers yet."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def lowest_free_slot(taken: Iterable[int]) -> int:
    """The lowest slot, from 0, that no living worker has."""
    occupied = set(taken)
    return next(slot for slot in range(len(occupied) + 1) if slot not in occupied)


def forget_live_values(folder: Path, slot: int) -> None:
    """Drops what a dead worker's gauges said of the moment; its counters stay for its successor.

    The same as prometheus_client's `mark_process_dead`, without importing the library.
    """
    for file in folder.glob(f"gauge_live*_{slot}.db"):
        file.unlink(missing_ok=True)


def worker_slot() -> int | None:
    """The slot that the master gave this worker; None outside gunicorn."""
    slot = os.environ.get(SLOT_VARIABLE)
    return None if slot is None else int(slot)
