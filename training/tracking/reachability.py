"""Checks that the tracking store answers, before MLflow retries for minutes without a word."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from training.errors import TrackingUnreachableError

_TIMEOUT_SECONDS = 5
# MLflow's own variables; the client reads them at every request.
_SINGLE_ATTEMPT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(_TIMEOUT_SECONDS),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
# Parts of the driver's messages, which are not shown themselves because they may quote the address.
_DATABASE_PROBLEMS = {
    "password authentication failed": "refuses the user name or password",
    "no password supplied": "asks for a password",
    "does not exist": "has no such database or user",
    "resolve host": "has an unknown host name",
    "refused": "refuses connections",
}
_SERVER_PROBLEMS: dict[type[BaseException], str] = {
    socket.gaierror: "has an unknown host name",
    ConnectionRefusedError: "refuses connections",
}
_SILENT = f"does not answer within {_TIMEOUT_SECONDS} s"


def check_reachable(uri: str) -> None:
    """Raise TrackingUnreachableError unless the tracking store at `uri` answers one request within seconds."""
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme in ("http", "https"):
        problem = _server_problem(uri)
    elif scheme == "postgresql":
        problem = _database_problem(uri)
    else:
        return
    if problem is not None:
        # The address may hold a password: show only its host and port.
        address = uri.partition("://")[2].rpartition("@")[2].partition("/")[0].partition("?")[0]
        raise TrackingUnreachableError(
            f"the tracking store at {address} {problem}; start it or correct MLFLOW_TRACKING_URI"
        )


def _server_problem(uri: str) -> str | None:
    try:
        with _single_attempt():
            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
    except RestException:
        return None  # MLflow answers; what it refuses, it explains when it is used
    except MlflowException as error:
        root: BaseException = error
        while cause := root.__cause__ or root.__context__:
            root = cause
        known = (problem for kind, problem in _SERVER_PROBLEMS.items() if isinstance(root, kind))
        return next(known, _SILENT if isinstance(root, TimeoutError) else f"does not work ({type(root).__name__})")
    return None


def _database_problem(uri: str) -> str | None:
    engine = create_engine(make_url(uri), connect_args={"connect_timeout": _TIMEOUT_SECONDS})
    try:
        engine.connect().close()
    except OperationalError as error:
        text = str(error.orig)
        known = (problem for part, problem in _DATABASE_PROBLEMS.items() if part in text)
        return next(known, _SILENT if "timeout" in text else "cannot be connected to")
    finally:
        engine.dispose()
    return None


@contextmanager
def _single_attempt() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _SINGLE_ATTEMPT}
    os.environ.update(_SINGLE_ATTEMPT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
