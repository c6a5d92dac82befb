"""The processes of a running service: find them, kill them, hold their database."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import requests

from tests.support.service import Service


def _processes(service: Service) -> Iterator[tuple[int, str]]:
    """The pid and the command line of each that was started for this home, by whomever; words end with a zero."""
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
    """The pids of those that run `module`."""
    return [pid for pid, command in _processes(service) if module in command.split("\0")]


def commands_of(service: Service) -> list[str]:
    """What anyone on the machine sees of them."""
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
    """As a long migration or a backup of another program would do."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
