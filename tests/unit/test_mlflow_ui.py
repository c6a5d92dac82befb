"""MLflow's UI: what it is told, and by which way."""

from click import Option
from mlflow.cli import server

from loan_api.settings import read_settings
from training.tracking.ui import ui_process

STORE = "postgresql://loan:hunter2@db.example/mlflow"


def test_a_password_in_the_address_of_the_store_is_in_no_argument() -> None:
    command, environ = ui_process(read_settings({"MLFLOW_TRACKING_URI": STORE}), {"PATH": "/bin"})
    assert not any("hunter2" in argument for argument in command)
    assert environ["MLFLOW_BACKEND_STORE_URI"] == STORE
    assert environ["PATH"] == "/bin"


def test_mlflow_reads_it_where_it_is_put() -> None:
    variables = {option.envvar for option in server.params if isinstance(option, Option)}
    assert "MLFLOW_BACKEND_STORE_URI" in variables
