"""The tracking store: connection, experiment and runs in MLflow."""

import logging
import os
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run, RunStatus

from loan_api.home import sqlite_path, sqlite_url
from loan_api.settings import Settings, form_name
from training.errors import TrainingError
from training.interruption import is_interruption
from training.lock import exclusive
from training.tracking.execution_log import execution_log
from training.tracking.reachability import check_reachable

TAG_ROLE = "role"
ROLE_TRAINING = "training"
_TAG_PROCESS = "process"
_EXPERIMENT_NOTE = (
    "Every training is one parent run with the data version, the comparison and the execution log. Its children"
    " are the candidates with parameters and metrics; the winner also has plots."
    " `python -m training diff RUN RUN` compares two runs."
)

_log = logging.getLogger(__name__)


def connect(settings: Settings) -> MlflowClient:
    """Connect MLflow to the tracking store, creating a local database if it does not exist, and return a client.

    Raises TrackingUnreachableError if the store does not answer within seconds.
    """
    quieten()
    settings.loan_home.mkdir(parents=True, exist_ok=True)
    check_reachable(settings.mlflow_tracking_uri)
    _make_database(settings)
    mlflow.set_tracking_uri(settings.mlflow_tracking_uri)
    return MlflowClient(tracking_uri=settings.mlflow_tracking_uri)


def experiment_of(settings: Settings) -> str:
    """Return the name of the experiment, which is that of the form."""
    return form_name(settings.features_path)


def open_experiment(client: MlflowClient, settings: Settings) -> None:
    """Activate the experiment, creating it if necessary, and end the abandoned runs of killed processes.

    Raises TrainingError if MLFLOW_RUN_ID is set, because MLflow would continue that run instead of starting one.
    """
    if os.environ.get("MLFLOW_RUN_ID"):
        raise TrainingError("MLFLOW_RUN_ID is set, but training starts its own runs; unset the variable")
    name = experiment_of(settings)
    if client.get_experiment_by_name(name) is None:
        is_local = settings.mlflow_tracking_uri.startswith("sqlite:")
        location = settings.home.artifacts.as_uri() if is_local else None
        experiment_id = client.create_experiment(name, artifact_location=location)
        client.set_experiment_tag(experiment_id, "mlflow.note.content", _EXPERIMENT_NOTE)
        # Otherwise the UI treats it as an experiment with language models.
        client.set_experiment_tag(experiment_id, "mlflow.experimentKind", "custom_model_development")
    experiment = mlflow.set_experiment(name)
    _end_abandoned_runs(client, experiment.experiment_id)


def training_runs(client: MlflowClient, experiment_name: str, condition: str = "") -> list[Run]:
    """Return the experiment's parent runs that meet `condition` (MLflow's filter language), newest first."""
    experiment = client.get_experiment_by_name(experiment_name)
    if experiment is None:
        return []
    role = f"tags.{TAG_ROLE} = '{ROLE_TRAINING}'"
    return list(
        client.search_runs(
            [experiment.experiment_id],
            filter_string=f"{role} and {condition}" if condition else role,
            order_by=["attributes.start_time DESC"],
        )
    )


@contextmanager
def training_run(settings: Settings, description: str) -> Iterator[mlflow.ActiveRun]:
    """Open the parent run with its execution log, which is uploaded even if the block fails."""
    tags = {TAG_ROLE: ROLE_TRAINING, _TAG_PROCESS: _this_process()}
    log: Path | None = None
    try:
        with (
            tracked_run(run_name="training", description=description, tags=tags) as run,
            execution_log(settings.home.logs, run.info.run_id) as log,
        ):
            try:
                yield run
            except BaseException as error:
                _log_end(error)
                raise
    finally:
        if log is not None:
            MlflowClient().log_artifact(run.info.run_id, str(log), "logs")


def _log_end(error: BaseException) -> None:
    if is_interruption(error):
        _log.warning("interrupted")
    elif isinstance(error, TrainingError):
        _log.error("%s", error)
    else:
        # Log the type without the message, because libraries quote the values that they fail on.
        _log.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))


@contextmanager
def tracked_run(**options: Any) -> Iterator[mlflow.ActiveRun]:
    """Open a run that ends as FINISHED, as FAILED after an error, or as KILLED after an interrupt.

    `options` are those of `mlflow.start_run`.
    """
    run = mlflow.start_run(**options)
    try:
        yield run
    except BaseException as error:
        _release(error)
        mlflow.end_run(RunStatus.to_string(RunStatus.KILLED if is_interruption(error) else RunStatus.FAILED))
        raise
    mlflow.end_run()


def _release(error: BaseException | None) -> None:
    """Release the local variables of the failed functions: an open cursor would keep the database locked."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def quieten() -> None:
    """Silence MLflow's progress messages; warnings and errors remain."""
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _make_database(settings: Settings) -> None:
    """Create a missing local database under a temporary name and rename it.

    MLflow creates its tables one by one. A process that opens the database meanwhile fails, and so do two that create
    it simultaneously.
    """
    database = sqlite_path(settings.mlflow_tracking_uri)
    if database is None:
        return
    with exclusive(settings.home.tracking_lock):
        if not database.exists():
            with TemporaryDirectory(dir=database.parent) as folder:
                temporary = Path(folder, database.name)
                MlflowClient(tracking_uri=sqlite_url(temporary)).search_experiments(max_results=1)
                temporary.rename(database)


def _this_process() -> str:
    """Return host, pid and start time (clock ticks since boot), which distinguishes reused pids."""
    return f"{socket.gethostname()} {os.getpid()} {_started(os.getpid())}"


def _started(pid: int) -> str:
    try:
        # The 22nd field; the 2nd, in parentheses, may hold spaces.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "ended"


def _end_abandoned_runs(client: MlflowClient, experiment_id: str) -> None:
    """End the runs of this machine whose process is gone, and their children, as KILLED."""
    running = client.search_runs([experiment_id], filter_string="attributes.status = 'RUNNING'")
    abandoned = {run.info.run_id for run in running if _is_abandoned(run.data.tags.get(_TAG_PROCESS, ""))}
    for run in running:
        if run.info.run_id in abandoned or run.data.tags.get("mlflow.parentRunId") in abandoned:
            client.set_terminated(run.info.run_id, status=RunStatus.to_string(RunStatus.KILLED))


def _is_abandoned(process: str) -> bool:
    host, _, rest = process.partition(" ")
    pid, _, started = rest.partition(" ")
    return host == socket.gethostname() and pid.isdigit() and _started(int(pid)) != started
