"""A training run leaves one model in Production that anyone can load and trace."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import RunStatus
from rich.console import Console
from sklearn.dummy import DummyClassifier

from loan_api.credit.features import FEATURE_NAMES, feature_schema_digest
from loan_api.settings import PROJECT_ROOT, read_settings
from tests.integration.conftest import QUICK, TrainedHome, train_quickly
from training.candidates import Candidate, select_candidates
from training.console import TrainingConsole
from training.dataset import read_dataset
from training.errors import NoWinnerError
from training.evaluation import Evaluation
from training.run import train
from training.sample import write_sample
from training.tracking import EXPERIMENT

MODEL = "loan_approval_model"


class TestRegisteredVersion:
    def test_it_is_in_production_and_the_champion(self, trained_home: TrainedHome) -> None:
        (version,) = trained_home.client.search_model_versions(f"name='{MODEL}'")
        assert version.current_stage == "Production"
        assert trained_home.client.get_model_version_by_alias(MODEL, "champion").version == version.version

    def test_its_tags_trace_it(self, trained_home: TrainedHome) -> None:
        (version,) = trained_home.client.search_model_versions(f"name='{MODEL}'")
        assert version.tags["semantic_version"] == "1.0.0"
        assert version.tags["dataset_digest"] == read_dataset(trained_home.settings.dataset_path).digest  # type: ignore[arg-type]
        assert version.tags["feature_schema_digest"] == feature_schema_digest()
        assert len(version.tags["git_commit"]) >= 40
        assert version.tags["threshold"] == "0.5"
        assert "F1" in str(version.description)
        assert "loan" in trained_home.client.get_registered_model(MODEL).description

    def test_it_has_signature_and_input_example(self, trained_home: TrainedHome) -> None:
        mlflow.set_tracking_uri(trained_home.settings.mlflow_tracking_uri)
        info = mlflow.models.get_model_info(f"models:/{MODEL}/Production")
        assert [column.name for column in info.signature.inputs] == list(FEATURE_NAMES)
        types = {str(column.type) for column in info.signature.inputs}
        assert types == {"DataType.double", "DataType.string"}
        assert info.saved_input_example_info is not None

    def test_it_loads_away_from_the_repository(self, trained_home: TrainedHome, tmp_path: Path) -> None:
        """In another folder, in a process that cannot import the project, with and without the alias."""
        script = tmp_path / "load.py"
        script.write_text(
            f"""
import importlib.util, json, mlflow, pandas
assert importlib.util.find_spec("loan_api") is None
mlflow.set_tracking_uri({trained_home.settings.mlflow_tracking_uri!r})
frame = pandas.read_csv({str(trained_home.settings.dataset_path)!r}, skipinitialspace=True).rename(columns=str.strip)
numbers = frame.select_dtypes("number").columns
frame = frame.astype({{name: float for name in numbers}}).assign(loan_status=frame.loan_status.str.strip())
labels = []
for uri in ("models:/{MODEL}/Production", "models:/{MODEL}@champion"):
    labels.append(mlflow.pyfunc.load_model(uri).predict(frame[{list(FEATURE_NAMES)!r}]).tolist())
assert labels[0] == labels[1]
actual = (frame.loan_status == "Approved").astype(int).tolist()
print(json.dumps(sum(a == b for a, b in zip(labels[0], actual)) / len(actual)))
""",
            encoding="utf-8",
        )
        finished = subprocess.run(
            [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
        )
        assert finished.returncode == 0, finished.stderr
        assert json.loads(finished.stdout.splitlines()[-1]) > 0.97


class TestRuns:
    def test_every_candidate_is_a_child_of_one_run(self, trained_home: TrainedHome) -> None:
        client = trained_home.client
        experiment = client.get_experiment_by_name(EXPERIMENT)
        runs = client.search_runs([experiment.experiment_id])
        (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
        children = {run.data.params["algorithm"]: run for run in runs if run is not parent}
        assert set(children) == {"stump", *QUICK}
        assert all(child.data.tags["mlflow.parentRunId"] == parent.info.run_id for child in children.values())
        assert all({"accuracy", "precision", "recall", "f1"} <= set(child.data.metrics) for child in children.values())
        assert all(run.info.status == RunStatus.to_string(RunStatus.FINISHED) for run in runs)
        assert children["decision_tree"].data.params["criterion"] == "gini"
        assert parent.data.params["seed"] == "42"
        assert parent.data.tags["winner"] == "decision_tree"

    def test_the_version_points_at_the_winner_s_run(self, trained_home: TrainedHome) -> None:
        (version,) = trained_home.client.search_model_versions(f"name='{MODEL}'")
        run = trained_home.client.get_run(str(version.run_id))
        assert run.data.params["algorithm"] == "decision_tree"

    def test_the_terminal_tells_what_happens(self, trained_home: TrainedHome) -> None:
        assert "Read 600 applications from" in trained_home.output
        assert "3/3" in trained_home.output
        assert "decision_tree ◀" in trained_home.output
        assert "Version 1.0.0 of loan_approval_model (decision_tree) is in Production" in trained_home.output


def test_a_refit_is_a_patch_and_takes_over_production(own_home: TrainedHome) -> None:
    train_quickly(own_home.settings)
    versions = {v.tags["semantic_version"]: v for v in own_home.client.search_model_versions(f"name='{MODEL}'")}
    assert {number: version.current_stage for number, version in versions.items()} == {
        "1.0.0": "Archived",
        "1.0.1": "Production",
    }
    assert own_home.client.get_model_version_by_alias(MODEL, "champion").version == versions["1.0.1"].version


def test_training_is_skipped_where_a_version_is_in_production(own_home: TrainedHome) -> None:
    finished = _training(own_home.environ, "run", "--unless-in-production")
    assert finished.returncode == 0, finished.stderr
    assert "loan_approval_model 1.0.0 is in Production; nothing to train." in finished.stdout
    assert len(own_home.client.search_model_versions(f"name='{MODEL}'")) == 1


def test_bad_data_is_one_line_an_exit_code_and_nothing_registered(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    write_sample(data, rows=200)
    data.write_text(data.read_text(encoding="utf-8").replace(" Rejected", " Pending", 1), encoding="utf-8")
    finished = _training({"LOAN_HOME": str(tmp_path / "home"), "DATASET_PATH": str(data)}, "run")
    assert finished.returncode == 1
    assert finished.stdout == ""
    (line,) = finished.stderr.splitlines()
    assert line.startswith("Error: ")
    assert "column loan_status: expected one of Approved, Rejected" in line
    assert not (tmp_path / "home").exists()


def test_a_tracking_store_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database at all, whatever its name says")
    for home in (tmp_path, Path("/proc/no/such/place")):
        finished = _training({"LOAN_HOME": str(home)}, "run", "--unless-in-production")
        assert finished.returncode == 1
        assert finished.stderr.startswith("Error: the tracking store cannot be used: ")
        assert "Traceback" not in finished.stderr


def test_a_candidate_no_better_than_the_baseline_is_not_registered(tmp_path: Path) -> None:
    write_sample(tmp_path / "data.csv", rows=200)
    settings = read_settings({"LOAN_HOME": str(tmp_path), "DATASET_PATH": str(tmp_path / "data.csv")})
    coin = Candidate("coin", lambda seed: DummyClassifier(strategy="uniform", random_state=seed))
    with pytest.raises(NoWinnerError):
        train(settings, [coin], TrainingConsole(Console(quiet=True)), seed=1, jobs=1)
    client = mlflow.MlflowClient(settings.mlflow_tracking_uri)
    assert client.search_registered_models() == []
    assert _parent_status(client) == RunStatus.to_string(RunStatus.FAILED)


def test_an_interrupted_run_is_killed_and_registers_nothing(tmp_path: Path) -> None:
    class Interrupted(TrainingConsole):
        def follow(self, evaluations: Iterable[Evaluation], total: int) -> Iterator[Evaluation]:
            yield next(iter(evaluations))
            raise KeyboardInterrupt

    write_sample(tmp_path / "data.csv", rows=200)
    settings = read_settings({"LOAN_HOME": str(tmp_path), "DATASET_PATH": str(tmp_path / "data.csv")})
    with pytest.raises(KeyboardInterrupt):
        train(settings, select_candidates(["naive_bayes"]), Interrupted(Console(quiet=True)), seed=1, jobs=1)
    client = mlflow.MlflowClient(settings.mlflow_tracking_uri)
    assert client.search_registered_models() == []
    assert _parent_status(client) == RunStatus.to_string(RunStatus.KILLED)


def _parent_status(client: mlflow.MlflowClient) -> str:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    status: str = parent.info.status
    return status


def _training(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "training", *arguments],
        cwd=PROJECT_ROOT,
        env={"PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
