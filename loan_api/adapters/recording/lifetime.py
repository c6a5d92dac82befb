"""The one recorder of a server, and the lock that shows its workers whether it is running."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class RecorderLock:
    """A lock held by the one recorder of a server."""

    path: Path

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the lock during the block; yield False if another process holds it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._remove_abandoned()
        with self.path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True
                self.path.unlink(missing_ok=True)

    @property
    def is_held(self) -> bool:
        """Return whether a recorder is running."""
        return self.path.exists() and _is_locked(self.path)

    def _remove_abandoned(self) -> None:
        for path in self.path.parent.glob("recorder-*.lock"):
            with suppress(OSError):
                if path != self.path and not _is_locked(path):
                    path.unlink()


class Process(Protocol):
    """A process that can be started."""

    def ensure_running(self) -> object:
        """Start the process if it is not running."""


class SharedRecorder:
    """The one recorder of a server, kept running by every worker; `process` is the one that this worker would start."""

    def __init__(self, lock: RecorderLock, process: Process) -> None:
        self._lock = lock
        self._process = process

    def ensure_running(self) -> None:
        """Start the recorder if none is running. If two workers do so simultaneously, one process ends immediately."""
        if not self._lock.is_held:
            self._process.ensure_running()


def _is_locked(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
