"""A slot for each living worker, who has it, and the folder where the workers keep their metrics.

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
    """Where all workers keep their metrics; None where this process is alone."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return None if folder is None else Path(folder)


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

    As prometheus_client's `mark_process_dead`, but the file keeps its room on the disk for the successor: a file of
    prometheus_client's begins with how many of its bytes are used.
    """
    for file in folder.glob(f"gauge_live*_{slot}.db"):
        _write_over(file, bytes(4))


# Process id (0 where nobody has the slot), and processor seconds of those who had it before and of who has it now.
_HOLDER = struct.Struct("<qdd")
_HOLDERS = "holder_{}.bin"


@dataclass(frozen=True)
class Holder:
    """Who has a slot, or had it last, and the processor seconds of all who ever had it, as far as they were seen."""

    slot: int
    pid: int | None
    seconds_before: float
    seconds_seen: float


def take_slot(folder: Path, slot: int, pid: int) -> None:
    """The process has the slot from now on; its processor time is counted on top of its predecessors'."""
    file = folder / _HOLDERS.format(slot)
    holder = _read(file) if file.exists() else Holder(slot, None, 0.0, 0.0)
    # On a full disk there is no room for a new one.
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        _write(file, pid, holder.seconds_before + holder.seconds_seen, 0.0)


def leave_slot(folder: Path, slot: int) -> None:
    """Nobody has the slot any more."""
    file = folder / _HOLDERS.format(slot)
    if file.exists():
        holder = _read(file)
        _write(file, 0, holder.seconds_before, holder.seconds_seen)


def holders(folder: Path) -> Iterator[Holder]:
    """Those of all slots that were ever taken."""
    for file in sorted(folder.glob(_HOLDERS.format("*"))):
        yield _read(file)


def note_seconds(folder: Path, holder: Holder, seconds: float) -> None:
    """Keeps what was seen of the holder's processor time, so that its successor's count goes on from there."""
    file = folder / _HOLDERS.format(holder.slot)
    if holder.pid is not None and _read(file).pid == holder.pid:
        _write(file, holder.pid, holder.seconds_before, seconds)


def _write(file: Path, pid: int, before: float, seen: float) -> None:
    _write_over(file, _HOLDER.pack(pid, before, seen))


def _write_over(file: Path, content: bytes) -> None:
    """In place, which needs no room where there is a file."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.pwrite(descriptor, content, 0)
    finally:
        os.close(descriptor)


def _read(file: Path) -> Holder:
    content = file.read_bytes()
    # Empty where there was no room for it.
    pid, before, seen = _HOLDER.unpack(content) if content else (0, 0.0, 0.0)
    return Holder(int(file.stem.rpartition("_")[2]), pid or None, before, seen)
