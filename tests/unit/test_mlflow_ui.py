"""MLflow's UI gets its store through the environment, so that its arguments contain no password."""

from click import Option
from mlflow.cli import server

from loan_api.settings import read_settings
from training.tracking.ui import ui_process

STORE = "postgresql://loan:hunter2@db.example/mlflow"


def test_no_argument_contains_the_password_of_the_store() -> None:
    command, environ = ui_process(read_settings({"MLFLOW_TRACKING_URI": STORE}), {"PATH": "/bin"})
    assert not any("hunter2" in argument for argument in command)
    assert environ["MLFLOW_BACKEND_STORE_URI"] == STORE
    assert environ["PATH"] == "/bin"


def test_mlflow_reads_the_store_from_that_variable() -> None:
    variables = {option.envvar for option in server.params if isinstance(option, Option)}
    assert "MLFLOW_BACKEND_STORE_URI" in variables
