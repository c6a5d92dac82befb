"""Worker slots, their holders, and the folder of metric files.

Standard library only: gunicorn's master uses it, and must not import what workers have to patch after the fork.
"""

import os
import shutil
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# Read by prometheus_client.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def metrics_folder() -> Path | None:
    """Return the folder of metric files that all workers share, or None outside a server."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return None if folder is None else Path(folder)


def reset_folder(folder: Path) -> None:
    """Empty the folder when a server starts, before it has workers."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def lowest_free_slot(taken: Iterable[int]) -> int:
    """Return the lowest slot, from 0, that no live worker has."""
    occupied = set(taken)
    return next(slot for slot in range(len(occupied) + 1) if slot not in occupied)


def forget_live_values(folder: Path, slot: int) -> None:
    """Drop the live gauges of a dead worker; its counters stay for its successor.

    Like prometheus_client's `mark_process_dead`, but the file keeps its disk space for the successor: its first bytes
    tell prometheus_client how many are used.
    """
    for file in folder.glob(f"gauge_live*_{slot}.db"):
        _write_over(file, bytes(4))


# Process id (0 if the slot is free), CPU seconds of all earlier holders and of the current one.
_HOLDER = struct.Struct("<qdd")
_HOLDERS = "holder_{}.bin"


@dataclass(frozen=True)
class Holder:
    """The current or last holder of a slot, and the observed CPU seconds of all its holders."""

    slot: int
    pid: int | None
    seconds_before: float
    seconds_seen: float


def take_slot(folder: Path, slot: int, pid: int) -> None:
    """Give the slot to a process, whose CPU time is added to that of its predecessors."""
    file = folder / _HOLDERS.format(slot)
    holder = _read(file) if file.exists() else Holder(slot, None, 0.0, 0.0)
    # On a full disk, the file cannot be created.
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        _write(file, pid, holder.seconds_before + holder.seconds_seen, 0.0)


def leave_slot(folder: Path, slot: int) -> None:
    """Free the slot."""
    file = folder / _HOLDERS.format(slot)
    if file.exists():
        holder = _read(file)
        _write(file, 0, holder.seconds_before, holder.seconds_seen)


def holders(folder: Path) -> Iterator[Holder]:
    """Yield the holders of all slots that were ever taken."""
    for file in sorted(folder.glob(_HOLDERS.format("*"))):
        yield _read(file)


def note_seconds(folder: Path, holder: Holder, seconds: float) -> None:
    """Store the holder's CPU time, so that its successor continues from there."""
    file = folder / _HOLDERS.format(holder.slot)
    if holder.pid is not None and _read(file).pid == holder.pid:
        _write(file, holder.pid, holder.seconds_before, seconds)


def _write(file: Path, pid: int, before: float, seen: float) -> None:
    _write_over(file, _HOLDER.pack(pid, before, seen))


def _write_over(file: Path, content: bytes) -> None:
    """Overwrite in place, which needs no disk space if the file exists."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.pwrite(descriptor, content, 0)
    finally:
        os.close(descriptor)


def _read(file: Path) -> Holder:
    content = file.read_bytes()
    # Empty if the disk was full.
    pid, before, seen = _HOLDER.unpack(content) if content else (0, 0.0, 0.0)
    return Holder(int(file.stem.rpartition("_")[2]), pid or None, before, seen)
