"""The processes of a running service: find them, kill them, lock their database."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import requests

from tests.support.service import Service


def _processes(service: Service) -> Iterator[tuple[int, str]]:
    """Yield pid and NUL-separated command line of every process whose LOAN_HOME is the service's."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode()
                environ = (entry / "environ").read_bytes().decode().split("\0")
            except OSError:
                continue
            if f"LOAN_HOME={service.home}" in environ:
                yield int(entry.name), command


def processes_of(service: Service, module: str) -> list[int]:
    """Return the pids of the processes that run `module`."""
    return [pid for pid, command in _processes(service) if module in command.split("\0")]


def commands_of(service: Service) -> list[str]:
    """Return the service's command lines, which any user of the machine can see."""
    return [command for _, command in _processes(service)]


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def checks_of(service: Service) -> dict[str, str]:
    checks: dict[str, str] = requests.get(service.url("/health"), timeout=30).json()["checks"]
    return checks


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Lock the database, as a long migration or another program's backup would."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
