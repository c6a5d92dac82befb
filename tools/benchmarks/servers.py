"""The measured servers, started as users start them."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from loan_api.credit.form import read_form
from loan_api.settings import PROJECT_ROOT, SHIPPED_FORM
from tools.benchmarks.home import MODEL, Home
from tools.benchmarks.processes import WEB_WORKER, stop, tree
from tools.benchmarks.requests_made import (
    JSON,
    Application,
    applications,
    mlflow_body,
    service_batch,
    service_single,
)

SERVICE = "service"
MLFLOW = "mlflow models serve"
MLFLOW_SAME_BODY = "mlflow models serve, the service's body"
BARE = "bare Flask view"
_START_SECONDS = 120.0
_STOP_SECONDS = 40.0
_LOOK_EVERY_SECONDS = 0.01


class ServerError(Exception):
    """A server did not start or returned a wrong answer."""


@dataclass(frozen=True)
class Server:
    """How to start a server and send it requests. The bare view accepts no batches."""

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    port: int
    workers: int
    log: Path
    single_path: str
    single: Callable[[Application], bytes]
    batch_path: str
    batch: Callable[[Sequence[Application]], bytes]
    folder: Path = PROJECT_ROOT

    @property
    def single_url(self) -> str:
        """The URL of single requests."""
        return f"http://127.0.0.1:{self.port}{self.single_path}"


@dataclass(frozen=True)
class Running:
    """A running server, with the time from its start to its first prediction."""

    server: Server
    pid: int
    start_seconds: float


def service(home: Home, port: int, workers: int, **environ: str) -> Server:
    """Return the service of the home's checkout, with default settings except for `environ`."""
    return Server(
        SERVICE,
        (home.python, "-m", "loan_api", "serve"),
        home.environ(PORT=str(port), WEB_CONCURRENCY=str(workers), **environ),
        port,
        workers,
        home.folder / "service.log",
        "/predict",
        service_single,
        "/predict/batch",
        service_batch,
        home.checkout,
    )


def mlflow(home: Home, port: int, workers: int) -> Server:
    """Return `mlflow models serve` with the model in Production."""
    uri = f"models:/{MODEL}/Production"
    options = ("-m", uri, "--env-manager", "local", "-w", str(workers), "-h", "127.0.0.1", "-p", str(port))
    # mlflow looks for uvicorn on the PATH.
    path = f"{Path(sys.executable).parent}:{home.environ().get('PATH', '')}"
    store = f"sqlite:///{home.folder}/mlflow.db"
    return Server(
        MLFLOW,
        (sys.executable, "-m", "mlflow", "models", "serve", *options),
        home.environ(PATH=path, MLFLOW_TRACKING_URI=store, MLFLOW_DISABLE_TELEMETRY="true"),
        port,
        workers,
        home.folder / "mlflow.log",
        "/invocations",
        lambda application: mlflow_body([application]),
        "/invocations",
        mlflow_body,
    )


def with_the_body_of_the_service(server: Server) -> Server:
    """Return mlflow with the request body of the service, `{"instances": [...]}`."""
    return replace(server, name=MLFLOW_SAME_BODY, batch=service_batch)


def bare_flask(home: Home, port: int, workers: int) -> Server:
    """Return a no-op view under the service's gunicorn settings, with its own home."""
    folder = home.folder / "bare"
    folder.mkdir(exist_ok=True)
    return Server(
        BARE,
        (
            sys.executable,
            "-m",
            "gunicorn",
            "-c",
            str(PROJECT_ROOT / "gunicorn.conf.py"),
            "tools.benchmarks.bare_flask:app",
        ),
        Home(folder).environ(PORT=str(port), WEB_CONCURRENCY=str(workers)),
        port,
        workers,
        home.folder / "bare.log",
        "/predict",
        service_single,
        "/predict/batch",
        service_batch,
    )


@contextmanager
def running(server: Server) -> Iterator[Running]:
    """Start the server, wait for its first prediction, and stop all its processes after the block.

    Raises ServerError if there is no prediction within two minutes.
    """
    with server.log.open("ab") as log:
        started = time.monotonic()
        process = subprocess.Popen(
            server.command,
            cwd=server.folder,
            env=server.environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        body = server.single(applications(read_form(SHIPPED_FORM), 1)[0])
        while not _predicts(server, body):
            if process.poll() is not None or time.monotonic() > started + _START_SECONDS:
                raise ServerError(f"{server.name} did not start; its log:\n{_end_of(server.log)}")
            time.sleep(_LOOK_EVERY_SECONDS)
        yield Running(server, process.pid, time.monotonic() - started)
    finally:
        stop(process.pid, _STOP_SECONDS)
        process.wait()


def check_workers(live: Running) -> None:
    """Raise ServerError unless the server has the requested number of web workers."""
    found = sum(process.kind == WEB_WORKER for process in tree(live.pid))
    if found != live.server.workers:
        raise ServerError(f"{live.server.name} has {found} web workers instead of {live.server.workers}")


def check_batch(server: Server, rows: Sequence[Application]) -> None:
    """Raise ServerError unless each of `rows` gets a prediction."""
    status, answer = ask(server, server.batch_path, server.batch(rows))
    if status != http.client.OK or len(json.loads(answer)["predictions"]) != len(rows):
        raise ServerError(f"{server.name} answers a batch of {len(rows)} with {status}")


def free_port() -> int:
    """Return a port that is currently free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _predicts(server: Server, body: bytes) -> bool:
    with suppress(OSError, http.client.HTTPException):
        return ask(server, server.single_path, body)[0] == http.client.OK
    return False


def ask(server: Server, path: str, body: bytes) -> tuple[int, bytes]:
    """Post `body` to the path and return status and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_START_SECONDS)
    try:
        connection.request("POST", path, body, {"Content-Type": JSON})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
