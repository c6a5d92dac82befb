"""The processes of a server and their memory, read from /proc."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

WEB_WORKER = "web worker"
MASTER = "master"
_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A running process; `command` is its command line, and `parent` is None for the root."""

    pid: int
    command: tuple[str, ...]
    parent: "Process | None" = None

    @property
    def kind(self) -> str:
        """Return its role in gunicorn or `mlflow models serve`, derived from its command line and parent."""
        if "multiprocessing.resource_tracker" in " ".join(self.command):
            return "resource tracker"
        if self.parent is None:
            return "command" if "mlflow" in self.command else MASTER
        if self.is_uvicorn:
            return MASTER if _option(self.command, "--workers") != "1" else WEB_WORKER
        if self.command == self.parent.command:
            # gunicorn forks its workers from the master.
            return WEB_WORKER if self.parent.kind == MASTER else f"fork of a {self.parent.kind}"
        if "multiprocessing.spawn" in " ".join(self.command):
            return WEB_WORKER if self.parent.is_uvicorn else "multiprocessing child"
        return _option(self.command, "-m") or Path(self.command[0]).name

    @property
    def is_uvicorn(self) -> bool:
        """Return whether it is the server that `mlflow models serve` starts."""
        return any(Path(word).name == "uvicorn" for word in self.command[:2])

    def pss_bytes(self) -> int:
        """Return the proportional set size: private memory plus a share of shared memory.

        Raises OSError if the process has ended.
        """
        rollup = _PROC.joinpath(str(self.pid), "smaps_rollup").read_text(encoding="utf-8")
        return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))


def tree(pid: int, parent: Process | None = None) -> Iterator[Process]:
    """Yield the process and its descendants, skipping processes that end meanwhile."""
    folder = _PROC / str(pid)
    with suppress(OSError):
        command = tuple(os.fsdecode(folder.joinpath("cmdline").read_bytes()).rstrip("\0").split("\0"))
        process = Process(pid, command, parent)
        yield process
        for children in folder.glob("task/*/children"):
            for child in children.read_text(encoding="utf-8").split():
                yield from tree(int(child), process)


def stop(pid: int, seconds: float) -> None:
    """Terminate the process group of `pid`, which we started; kill surviving descendants after `seconds`."""
    pids = {process.pid for process in tree(pid)}
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while any(map(_is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    for left in filter(_is_alive, pids):
        with suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    """Return whether the process runs; zombies do not count."""
    try:
        return _PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _option(command: tuple[str, ...], name: str) -> str | None:
    """Return the argument after `name` on a command line."""
    return command[command.index(name) + 1] if name in command[:-1] else None
