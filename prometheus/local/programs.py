"""Prometheus and Alertmanager as child processes."""

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
_POLL_SECONDS = 0.1
_STOP_SECONDS = 20.0


class ProgramError(Exception):
    """A program is missing, has stopped, or cannot start."""


@dataclass(frozen=True)
class Program:
    """An executable, found on the PATH under one of `names`, with its options. `package` is its Debian package."""

    title: str
    names: tuple[str, ...]
    package: str
    options: tuple[str, ...]
    port: int

    @property
    def url(self) -> str:
        """The address of its web page."""
        return f"http://localhost:{self.port}"

    @property
    def executable(self) -> str:
        """The path of the executable. Raises ProgramError if it is not on the PATH."""
        found = next(filter(None, map(shutil.which, self.names)), None)
        if found is None:
            raise ProgramError(f"{self.title} is missing: apt-get install {self.package}, or put it on the PATH")
        return found


def prometheus_program(folder: Path, port: int) -> Program:
    """Return Prometheus with its configuration and data in `folder`."""
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
    """Return Alertmanager with its configuration and data in `folder`, without clustering."""
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
def exclusive_use(folder: Path) -> Iterator[int]:
    """Lock the folder and yield the lock's descriptor.

    Programs that use the folder inherit the descriptor, so the lock lasts until the last of them has stopped. Raises
    ProgramError if the folder is already locked.
    """
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ProgramError(
                f"{folder} is in use by another `make monitor`, or by a Prometheus or Alertmanager that one left behind"
            ) from error
        yield lock.fileno()


@contextmanager
def running(program: Program, log: Path, lock: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the program, ready to answer, for the duration of the block. Raises ProgramError if it does not start."""
    _check_port_is_free(program)
    with log.open("wb") as output:
        # In its own session, the program does not get the terminal's Ctrl-C: programs are stopped one by one below.
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


def _check_port_is_free(program: Program) -> None:
    """Raise ProgramError if another process listens on the port: it would be mistaken for the program."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", program.port))
        except OSError as error:
            variable = f"{program.title.upper()}_PORT"
            raise ProgramError(
                f"port {program.port} is in use; set {variable} to choose another port for {program.title}"
            ) from error


def _wait_until_ready(program: Program, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not answers(f"{program.url}/-/ready"):
        if process.poll() is not None:
            raise ProgramError(f"{program.title} has stopped: {_last_line(log)} ({log})")
        if time.monotonic() > deadline:
            raise ProgramError(f"{program.title} is not ready after {_WAIT_SECONDS:.0f} s; see {log}")
        time.sleep(_POLL_SECONDS)


def answers(url: str) -> bool:
    """Return whether a server answers at `url`, even if it only asks for credentials."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310  # our own http URL
            return True
    except urllib.error.HTTPError as error:
        # Both programs ask for the password before they answer anything, readiness included.
        return error.code == 401  # noqa: PLR2004
    except OSError:
        return False


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "its log is empty"
