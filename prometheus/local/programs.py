"""Prometheus and Alertmanager as processes of this machine."""

import fcntl
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_WAIT_SECONDS = 30.0
_LOOK_EVERY_SECONDS = 0.1
_STOP_SECONDS = 20.0


class ProgramError(Exception):
    """A program is missing, or has ended."""


@dataclass(frozen=True)
class Program:
    """What is started: one of `names`, found on the path, with `options`; `package` is Debian's name for it."""

    title: str
    names: tuple[str, ...]
    package: str
    options: tuple[str, ...]
    port: int

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://localhost:{self.port}"

    @property
    def executable(self) -> str:
        """Where it is. Raises ProgramError where it is not."""
        found = next(filter(None, map(shutil.which, self.names)), None)
        if found is None:
            raise ProgramError(f"{self.title} is missing: apt-get install {self.package}, or put it on the PATH")
        return found


def prometheus_program(folder: Path, port: int) -> Program:
    """With the files in `folder`, and its data there."""
    return Program(
        "Prometheus",
        ("prometheus",),
        "prometheus",
        (
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            "--storage.tsdb.retention.size=1GB",
            *_web_options(folder, port),
        ),
        port,
    )


def alertmanager_program(folder: Path, port: int) -> Program:
    """With the files in `folder`, and its data there; it looks for no others to form a cluster with."""
    return Program(
        "Alertmanager",
        ("alertmanager", "prometheus-alertmanager"),
        "prometheus-alertmanager",
        (
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager'}",
            "--cluster.listen-address=",
            *_web_options(folder, port),
        ),
        port,
    )


def _web_options(folder: Path, port: int) -> tuple[str, ...]:
    return (
        f"--web.listen-address=127.0.0.1:{port}",
        f"--web.external-url=http://localhost:{port}",
        f"--web.config.file={folder / 'web.yml'}",
    )


@contextmanager
def alone_in(folder: Path) -> Iterator[int]:
    """While the block runs, nobody else is. Gives the lock's descriptor, which programs that use the folder inherit.

    So it is locked for as long as any of them runs. Raises ProgramError where it is.
    """
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ProgramError(
                f"another one runs with {folder}, or Prometheus or Alertmanager of an earlier one"
            ) from error
        yield lock.fileno()


@contextmanager
def running(program: Program, log: Path, lock: int) -> Iterator[subprocess.Popen[bytes]]:
    """The program while the block runs, which begins once it answers. Raises ProgramError where it does not."""
    _claim(program)
    with log.open("wb") as output:
        # Not of the terminal's group: on Ctrl-C they are stopped in their turn.
        process = subprocess.Popen(
            [program.executable, *program.options],
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=[lock],
        )
    try:
        _wait_until_ready(program, process, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _claim(program: Program) -> None:
    """Raises ProgramError where somebody listens on its port already, and would be taken for it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", program.port))
        except OSError as error:
            variable = f"{program.title.upper()}_PORT"
            raise ProgramError(
                f"port {program.port} is taken; {variable} chooses another for {program.title}"
            ) from error


def _wait_until_ready(program: Program, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not answers(f"{program.url}/-/ready"):
        if process.poll() is not None:
            raise ProgramError(f"{program.title} has ended: {_last_line(log)} ({log})")
        if time.monotonic() > deadline:
            raise ProgramError(f"{program.title} is not ready after {_WAIT_SECONDS:.0f} s; {log} says more")
        time.sleep(_LOOK_EVERY_SECONDS)


def answers(url: str) -> bool:
    """Whether somebody answers there, if only by asking for a password."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310  # our own http URL
            return True
    except urllib.error.HTTPError as error:
        # Ready or not, it asks who wants to know.
        return error.code == 401  # noqa: PLR2004
    except OSError:
        return False


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "it says nothing"
