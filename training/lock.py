"""Locks between processes that share a LOAN_HOME."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(file: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock `file` during the block; call `waiting` first if another process holds it.

    The kernel releases the lock of a killed process.
    """
    with file.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def registry_lock(lock: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the right to change the registry, against all processes that share `lock`."""
    with exclusive(lock, lambda: tell("Another training or promotion is changing the registry; waiting for it.")):
        yield
