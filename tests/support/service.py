"""The service as users start it: a separate process with gunicorn and real workers."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from loan_api.settings import PROJECT_ROOT
from tests.support.homes import files_of
from tests.support.waiting import wait_until

WORKERS = 2


@dataclass(frozen=True)
class Service:
    """A running service."""

    process: subprocess.Popen[bytes]
    port: int
    home: Path
    log: Path

    def url(self, path: str) -> str:
        """Return the URL of `path`."""
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def credentials(self) -> tuple[str, str]:
        """Return user name and password for /metrics."""
        return "prometheus", (self.home / "metrics_password").read_text(encoding="utf-8").strip()

    @property
    def log_lines(self) -> list[dict[str, object]]:
        """Return the JSON lines of the log so far, parsed."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    @property
    def workers(self) -> list[int]:
        """Return the pids of running workers, excluding the announcement process, another child of the master."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return [int(pid) for pid in children.split() if _runs_gunicorn(Path("/proc", pid))]

    def is_all_there(self) -> bool:
        """Return whether every worker runs and has a model, and the service is ready."""
        loaded = {line["process"] for line in self.log_lines if line["message"] == "model loaded"}
        workers = self.workers
        return len(workers) == WORKERS and loaded.issuperset(workers) and self.is_ready()

    def is_ready(self) -> bool:
        """Return whether a worker reports that it is ready to decide."""
        try:
            return requests.get(self.url("/health/ready"), timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def metrics(self) -> dict[str, float]:
        """Return every sample by its name with labels."""
        response = requests.get(self.url("/metrics"), auth=self.credentials, timeout=10)
        samples = [line for line in response.text.splitlines() if line and not line.startswith("#")]
        return {sample.rpartition(" ")[0]: float(sample.rpartition(" ")[2]) for sample in samples}


def _runs_gunicorn(process: Path) -> bool:
    try:
        return "gunicorn" in process.joinpath("cmdline").read_text(encoding="utf-8").split("\0")
    except OSError:
        return False


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(home: Path, port: int, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a documented command, without the test process's own variables."""
    return {
        "PATH": os.environ["PATH"],
        "LOAN_HOME": str(home),
        **files_of(home),
        "PORT": str(port),
        "WEB_CONCURRENCY": str(WORKERS),
        "MODEL_POLL_SECONDS": "1",
        **environ,
    }


def run_command(home: Path, *arguments: str, **environ: str) -> str:
    """Run `python …` in the project root and return its output."""
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT_ROOT,
        env=environment(home, free_port(), environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


class KeptService:
    """A service in `home` shared by many tests; it is restarted if a test has stopped it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._running = ExitStack()
        self._service: Service | None = None

    def running(self) -> Service:
        """Return the service with all its workers running."""
        if self._service is None or self._service.process.poll() is not None:
            self.stop()
            self._service = self._running.enter_context(started_service(self._home))
        wait_until(self._service.is_all_there, "every worker")
        return self._service

    def stop(self) -> None:
        """Stop the service as Ctrl-C would."""
        self._service = None
        self._running.close()


@contextmanager
def started_service(
    home: Path, *, ready: bool = True, logs: Path | None = None, port: int | None = None, **environ: str
) -> Iterator[Service]:
    """Start the service, wait until it is ready, and interrupt it after the block. Its log is in `logs`."""
    port = port or free_port()
    log = (logs or home) / f"service-{port}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "loan_api", "serve", "--announce"],
            cwd=PROJECT_ROOT,
            env=environment(home, port, environ),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    service = Service(process, port, home, log)
    try:
        if ready:
            wait_until(lambda: service.is_ready() or process.poll() is not None, "the service to be ready")
            assert process.poll() is None, log.read_text(encoding="utf-8")
        yield service
        # A terminal sends Ctrl-C to every process of the group.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=40)
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class ClosedService:
    """A running service that requires API keys, and a key with every scope."""

    service: Service
    key: str
