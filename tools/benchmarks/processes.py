"""The processes of a server and the memory that each is charged with, from /proc."""

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
    """A living process; `command` is its command line, `parent` None for the first one."""

    pid: int
    command: tuple[str, ...]
    parent: "Process | None" = None

    @property
    def kind(self) -> str:
        """What it does for gunicorn or for `mlflow models serve`, told by its command line and its parent."""
        if "multiprocessing.resource_tracker" in " ".join(self.command):
            return "resource tracker"
        if self.parent is None:
            return "command" if "mlflow" in self.command else MASTER
        if self.is_uvicorn:
            return MASTER if _option(self.command, "--workers") != "1" else WEB_WORKER
        if self.command == self.parent.command:
            # gunicorn's workers are forks of its master.
            return WEB_WORKER if self.parent.kind == MASTER else f"fork of a {self.parent.kind}"
        if "multiprocessing.spawn" in " ".join(self.command):
            return WEB_WORKER if self.parent.is_uvicorn else "multiprocessing child"
        return _option(self.command, "-m") or Path(self.command[0]).name

    @property
    def is_uvicorn(self) -> bool:
        """Whether it is what `mlflow models serve` starts."""
        return any(Path(word).name == "uvicorn" for word in self.command[:2])

    def pss_bytes(self) -> int:
        """Its proportional set size: what it has for itself, and its share of what it has with others.

        Raises OSError where it has ended.
        """
        rollup = _PROC.joinpath(str(self.pid), "smaps_rollup").read_text(encoding="utf-8")
        return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))


def tree(pid: int, parent: Process | None = None) -> Iterator[Process]:
    """Return the process and its descendants, without processes that end meanwhile."""
    folder = _PROC / str(pid)
    with suppress(OSError):
        command = tuple(os.fsdecode(folder.joinpath("cmdline").read_bytes()).rstrip("\0").split("\0"))
        process = Process(pid, command, parent)
        yield process
        for children in folder.glob("task/*/children"):
            for child in children.read_text(encoding="utf-8").split():
                yield from tree(int(child), process)


def stop(pid: int, seconds: float) -> None:
    """Asks the process group of `pid`, which we started, to end; kills what is left of it and below after `seconds`."""
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
    """Whether it runs; one that has ended and that nobody has asked for yet does not."""
    try:
        return _PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _option(command: tuple[str, ...], name: str) -> str | None:
    """Return the argument after `name` on a command line."""
    return command[command.index(name) + 1] if name in command[:-1] else None
