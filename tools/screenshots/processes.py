"""The project's commands, run as users run them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from loan_api.settings import PROJECT_ROOT

_LOOK_EVERY_SECONDS = 0.5
_STOP_SECONDS = 30.0


class StartError(Exception):
    """A process did not start, or a condition was not met in time."""


def wait_until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait until `condition` holds. Raises StartError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StartError(f"waited {seconds:g} s for {what}")
        time.sleep(_LOOK_EVERY_SECONDS)


def finished(arguments: tuple[str, ...], environ: Mapping[str, str], log: Path) -> None:
    """Run `python ARGUMENTS` to completion. Raises StartError if it fails."""
    with log.open("ab") as output:
        code = subprocess.call(
            [sys.executable, *arguments], cwd=PROJECT_ROOT, env=environ, stdout=output, stderr=output
        )
    if code:
        raise StartError(f"python {' '.join(arguments)} failed:\n{log.read_text(encoding='utf-8')}")


@contextmanager
def running(arguments: tuple[str, ...], environ: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python ARGUMENTS` for the duration of the block, then interrupt its process group, as Ctrl-C does."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=PROJECT_ROOT,
            env=environ,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
            return


def free_ports(count: int) -> int:
    """Return the first of `count` consecutive free ports."""
    for first in range(20_000, 32_000, count):
        if all(map(_is_free, range(first, first + count))):
            return first
    raise StartError("no ports are free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
