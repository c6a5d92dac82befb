"""Where runs are recorded: MLflow, set up from the settings."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow import MlflowClient
from mlflow.entities import RunStatus

from loan_api.settings import Settings

EXPERIMENT = "loan_approval"


def connect(settings: Settings) -> MlflowClient:
    """Points MLflow at the tracking store, which is made where it does not exist, and returns a client for it."""
    quieten()
    settings.loan_home.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(settings.mlflow_tracking_uri)
    return MlflowClient(tracking_uri=settings.mlflow_tracking_uri)


def open_experiment(client: MlflowClient, settings: Settings) -> None:
    """Makes the experiment the active one, its artifacts under LOAN_HOME where the store is a local database."""
    if client.get_experiment_by_name(EXPERIMENT) is None:
        is_local = settings.mlflow_tracking_uri.startswith("sqlite:")
        location = settings.artifacts_path.as_uri() if is_local else None
        client.create_experiment(EXPERIMENT, artifact_location=location)
    mlflow.set_experiment(EXPERIMENT)


@contextmanager
def tracked_run(name: str, description: str, *, nested: bool = False) -> Iterator[mlflow.ActiveRun]:
    """An MLflow run around the block: FINISHED, FAILED where it raises, KILLED where it is interrupted."""
    run = mlflow.start_run(run_name=name, nested=nested, description=description)
    try:
        yield run
    except KeyboardInterrupt:
        mlflow.end_run(RunStatus.to_string(RunStatus.KILLED))
        raise
    except BaseException:
        mlflow.end_run(RunStatus.to_string(RunStatus.FAILED))
        raise
    mlflow.end_run()


def quieten() -> None:
    """Keeps MLflow's own narration out of the output; warnings and errors stay."""
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
