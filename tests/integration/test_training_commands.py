"""`python -m training` from the user's side: clear errors, comparisons, interruptions."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.entities import RunStatus

from loan_api.settings import PROJECT_ROOT
from tests.support.forms import SHIPPED
from tests.support.homes import TrainedHome, command, run_in_process, run_training, train_quickly
from tests.support.waiting import wait_until
from training.commands import cli
from training.data.sample import write_sample
from training.registry.history import read_events
from training.tracking.store import training_runs

pytestmark = pytest.mark.slow

MODEL = "loan_approval_model"
Change = Callable[[list[list[str]]], list[list[str]]]


def without(name: str) -> Change:
    def change(rows: list[list[str]]) -> list[list[str]]:
        place = [cell.strip() for cell in rows[0]].index(name)
        return [row[:place] + row[place + 1 :] for row in rows]

    return change


def with_column(name: str, value: str, rows_to_change: slice) -> Change:
    def change(rows: list[list[str]]) -> list[list[str]]:
        place = [cell.strip() for cell in rows[0]].index(name)
        for row in rows[1:][rows_to_change]:
            row[place] = value
        return rows

    return change


ALL, ONE = slice(None), slice(1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda _: [], "the file is empty", id="an empty file"),
        pytest.param(
            with_column("loan_status", " Approved", ALL), "every application has the same outcome", id="one class only"
        ),
        pytest.param(with_column("cibil_score", "NaN", ALL), "row 2, column cibil_score: expected", id="a NaN column"),
        pytest.param(
            lambda rows: [[";".join(row)] for row in rows], "the columns are separated by semicolons", id="delimiter"
        ),
        pytest.param(
            with_column("loan_status", " Pending", ONE), "column loan_status: expected one of Approved, ", id="Pending"
        ),
        pytest.param(
            lambda rows: [[*row, row[7]] for row in rows], "column cibil_score appears 2 times", id="a duplicate"
        ),
        pytest.param(lambda rows: rows[:2], "there is only one application", id="1 row"),
        pytest.param(without("loan_term"), "column loan_term is missing", id="a missing feature"),
    ],
)
def test_bad_data_is_one_line_an_exit_code_and_an_untouched_registry(
    tmp_path: Path, change: Change, expected: str
) -> None:
    data = tmp_path / "data.csv"
    write_sample(SHIPPED, data, rows=200)
    rows = [line.split(",") for line in data.read_text(encoding="utf-8").splitlines()]
    data.write_text("".join(",".join(row) + "\n" for row in change(rows)), encoding="utf-8")
    environ = {"LOAN_HOME": str(tmp_path / "home"), "DATASET_PATH": str(data)}
    result = CliRunner().invoke(cli, ["run"], env=environ | {"MLFLOW_TRACKING_URI": ""})
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Error: {data}: ")
    assert expected in line
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--candidates", "oracle"], "no candidate is called oracle; choose from logistic_regression"),
        (["diff", "1.0.0", "nonsense"], "no training runs begin with nonsense"),
    ],
)
def test_wrong_names_are_one_line(trained_home: TrainedHome, arguments: list[str], expected: str) -> None:
    result = command(trained_home, *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {expected}")


def test_a_run_that_mlflow_would_continue_is_refused_and_the_variable_named(trained_home: TrainedHome) -> None:
    environ = trained_home.environ | {"MLFLOW_RUN_ID": training_runs(trained_home.client, SHIPPED.name)[0].info.run_id}
    result = run_in_process(environ, "run")
    assert result.exit_code == 1
    assert result.stderr == "Error: MLFLOW_RUN_ID is set, but training starts its own runs; unset the variable\n"


def test_an_unreachable_tracking_server_is_one_line(tmp_path: Path) -> None:
    """Fail fast, as MLflow's own retries would take minutes."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    environ = {"LOAN_HOME": str(tmp_path), "MLFLOW_TRACKING_URI": f"http://me:hunter2@{address}"}
    result = run_in_process(environ, "history")
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: the tracking store at {address} refuses connections; start it or correct MLFLOW_TRACKING_URI\n"
    )


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["promote"], ["rollback"], ["history"], ["diff"], ["sample"], ["ui"]]
)
def test_every_command_explains_itself(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli, [*arguments, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


class TestDiff:
    def test_two_runs_on_the_same_data_say_so(self, own_home: TrainedHome) -> None:
        train_quickly(own_home.settings, names=("decision_tree",))
        newer, older = training_runs(own_home.client, SHIPPED.name)
        result = command(own_home, "diff", "1.0.0", newer.info.run_id[:12])
        assert result.exit_code == 0, result.stderr
        assert result.stdout.startswith("Same data.\n")
        assert "stump, logistic_regression, decision_tree" in result.stdout
        assert "dataset_digest" not in result.stdout
        # A candidate's run and its training run give the same comparison.
        child = own_home.client.get_model_version(MODEL, "1").run_id
        result = command(own_home, "diff", str(child), older.info.run_id)
        assert result.stdout == "Same data.\nSame parameters.\nSame metrics.\n"

    def test_other_data_is_compared_feature_by_feature(self, own_home: TrainedHome) -> None:
        data = own_home.settings.dataset_path
        assert data is not None
        header, *rows = data.read_text(encoding="utf-8").splitlines()
        richer = [row.split(",") for row in rows]
        place = [name.strip() for name in header.split(",")].index("income_annum")
        for row in richer:
            row[place] = str(2 * int(row[place]))
        data.write_text("\n".join([header, *(",".join(row) for row in richer[:-50])]) + "\n", encoding="utf-8")
        # A run without a winner can also be compared, and ends before the gate.
        finished = command(own_home, "run", "--candidates", "logistic_regression", "--jobs", "1")
        assert "is no better than the baseline stump" in finished.stderr
        newer, _ = training_runs(own_home.client, SHIPPED.name)
        result = command(own_home, "diff", "1.0.0", newer.info.run_id)
        assert result.exit_code == 0, result.stderr
        lines = [line.split() for line in result.stdout.splitlines()]
        assert ["rows", "read", "600", "550"] in lines
        psi = {line[0]: line for line in lines if (len(line) in (2, 3) and "." in line[-1]) or line[-1:] == ["large"]}
        assert psi["income_annum"][2] == "large"
        assert float(psi["income_annum"][1]) > 1
        assert float(psi["loan_term"][1]) < 0.05
        assert ["loan_term", psi["loan_term"][1]] in lines


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return a home without a model, and data that takes seconds to train on."""
    write_sample(SHIPPED, tmp_path / "data.csv", rows=400, seed=5)
    return {"LOAN_HOME": str(tmp_path / "home"), "DATASET_PATH": str(tmp_path / "data.csv")}


def start(environ: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "training", "run", "--candidates", "decision_tree", "--jobs", "2"],
        cwd=PROJECT_ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], what: str) -> None:
    """Wait until the condition holds or the process has ended, which is a failure unless the condition holds."""
    wait_until(lambda: condition() or process.poll() is not None, what, 120)
    assert condition(), process.stderr.read() if process.stderr else ""


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.torture), signal.SIGTERM])
def test_an_interrupt_ends_the_run_as_killed_and_registers_nothing(
    environ: dict[str, str], number: signal.Signals
) -> None:
    process = start(environ)
    home = Path(environ["LOAN_HOME"])
    wait_for(lambda: any(log.stat().st_size for log in (home / "logs").glob("*.log")), process, "the execution log")
    # Ctrl-C reaches the whole process group, SIGTERM only the process.
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    # The resource tracker of multiprocessing may add a warning at the very end.
    own = re.split(r"^.*/resource_tracker\.py:\d+: ", stderr, maxsplit=1, flags=re.MULTILINE)[0]
    assert own.splitlines()[-1] == "Error: interrupted; the registry is unchanged"
    assert "Traceback" not in stderr
    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    assert client.search_registered_models() == []
    (run,) = training_runs(client, SHIPPED.name)
    assert run.info.status == RunStatus.to_string(RunStatus.KILLED)
    (log,) = (home / "logs").glob("*.log")
    assert "interrupted" in log.read_text(encoding="utf-8")


def has_version(home: Path) -> bool:
    if not (home / "mlflow.db").exists():
        return False
    return bool(MlflowClient(f"sqlite:///{home}/mlflow.db").search_model_versions(f"name='{MODEL}'"))


@pytest.mark.torture
@pytest.mark.parametrize(
    "reached",
    [
        pytest.param(lambda home: any((home / "logs").glob("*.log")), id="while candidates are trained"),
        pytest.param(has_version, id="when the version is registered"),
    ],
)
def test_a_kill_leaves_a_registry_that_a_repeat_completes(
    environ: dict[str, str], reached: Callable[[Path], bool]
) -> None:
    home = Path(environ["LOAN_HOME"])
    process = start(environ)
    wait_for(lambda: reached(home) or process.poll() == 0, process, "the moment to kill it")
    os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
    process.communicate(timeout=60)

    finished = run_training(environ, "run", "--candidates", "decision_tree", "--jobs", "1")
    assert finished.returncode == 0, finished.stderr
    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    (version,) = client.search_model_versions(f"name='{MODEL}'")
    assert version.current_stage == "Production"
    assert version.tags["semantic_version"] == "1.0.0"
    assert client.get_model_version_by_alias(MODEL, "champion").version == version.version
    assert [(event.version, event.done) for event in read_events(client, MODEL)] == [("1", True)]
    experiment = client.get_experiment_by_name(SHIPPED.name)
    statuses = {run.info.status for run in client.search_runs([experiment.experiment_id])}
    assert statuses <= {"FINISHED", "KILLED"}


@pytest.mark.torture
def test_workers_end_with_a_parent_that_was_killed(environ: dict[str, str]) -> None:
    process = start(environ)
    wait_for(lambda: any((Path(environ["LOAN_HOME"]) / "logs").glob("*.log")), process, "the execution log")

    def workers() -> list[str]:
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                group = path.joinpath("stat").read_text().rpartition(")")[2].split()[2]
                words = path.joinpath("cmdline").read_text()
            except OSError:
                continue
            if group == str(process.pid) and "popen_loky" in words:
                found.append(path.name)
        return found

    wait_for(lambda: len(workers()) > 0, process, "its workers")
    process.kill()
    process.wait(timeout=10)
    wait_until(lambda: workers() == [], "the workers to end", 30)
    process.communicate(timeout=10)


@pytest.mark.torture
def test_two_trainings_at_once_take_turns(environ: dict[str, str]) -> None:
    processes = [start(environ) for _ in range(2)]
    for process in processes:
        _, stderr = process.communicate(timeout=180)
        assert process.returncode == 0, stderr
    client = MlflowClient(f"sqlite:///{environ['LOAN_HOME']}/mlflow.db")
    (version,) = client.search_model_versions(f"name='{MODEL}'")
    assert version.current_stage == "Production"
