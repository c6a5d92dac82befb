"""Check of the tracking store's availability, because MLflow would silently retry for minutes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from training.errors import TrackingUnreachableError

_TIMEOUT_SECONDS = 5
# MLflow's own variables, which its client reads at every request.
_SINGLE_ATTEMPT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": str(_TIMEOUT_SECONDS), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
# Parts of the root error's type and text. The text itself is not shown, because it may quote the address.
_PROBLEMS = {
    "password": "refuses the user name or password",
    "does not exist": "has no such database or user",
    "gaierror": "has an unknown host name",
    "resolve host": "has an unknown host name",
    "refused": "refuses connections",
    "time": f"does not answer within {_TIMEOUT_SECONDS} s",
}


def check_reachable(uri: str) -> None:
    """Raise TrackingUnreachableError unless the tracking store at `uri` answers a request within seconds."""
    try:
        if uri.startswith(("http://", "https://")):
            with _single_attempt():
                MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
        elif uri.startswith("postgresql"):
            engine = create_engine(uri, connect_args={"connect_timeout": _TIMEOUT_SECONDS})
            with engine.connect():
                pass
            engine.dispose()
    except RestException:
        return  # MLflow answers, and explains a refusal when it is used
    except (MlflowException, OperationalError) as error:
        root: BaseException = error
        while cause := root.__cause__ or root.__context__:
            root = cause
        text = f"{type(root).__name__} {root}".lower()
        known = (problem for part, problem in _PROBLEMS.items() if part in text)
        problem = next(known, f"does not work ({type(root).__name__})")
        # The address may contain a password: show only host and port.
        address = uri.partition("://")[2].rpartition("@")[2].partition("/")[0].partition("?")[0]
        raise TrackingUnreachableError(
            f"the tracking store at {address} {problem}; start it or correct MLFLOW_TRACKING_URI"
        ) from error


@contextmanager
def _single_attempt() -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(_SINGLE_ATTEMPT)
    try:
        yield
    finally:
        for name in _SINGLE_ATTEMPT:
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]
