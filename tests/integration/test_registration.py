"""A training run puts a loadable and traceable model into Production."""

import csv
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run, RunStatus
from rich.console import Console
from sklearn.dummy import DummyClassifier

from loan_api.credit.bounds import laplace_bound
from loan_api.credit.frame import applications_frame
from loan_api.scoring.package import ReferencePackage, artifact_digest
from loan_api.settings import read_settings
from tests.support.forms import SHIPPED
from tests.support.homes import QUICK, TrainedHome, command, run_in_process, train_quickly
from training.console import TrainingConsole
from training.data.dataset import read_dataset, row_texts
from training.data.sample import write_sample
from training.data.split import split_dataset
from training.errors import NoWinnerError
from training.interruption import Interrupts
from training.selection.candidates import Candidate
from training.selection.evaluation import Conditions
from training.tracking.store import training_runs
from training.workflow import train

pytestmark = pytest.mark.slow

FINISHED = RunStatus.to_string(RunStatus.FINISHED)
MODEL = "loan_approval_model"


class TestRegisteredVersion:
    def test_it_is_in_production_and_the_champion(self, trained_home: TrainedHome) -> None:
        (version,) = trained_home.client.search_model_versions(f"name='{MODEL}'")
        assert version.current_stage == "Production"
        assert trained_home.client.get_model_version_by_alias(MODEL, "champion").version == version.version

    def test_its_tags_trace_it(self, trained_home: TrainedHome) -> None:
        (version,) = trained_home.client.search_model_versions(f"name='{MODEL}'")
        assert version.tags["semantic_version"] == "1.0.0"
        assert version.tags["dataset_digest"] == read_dataset(SHIPPED, trained_home.settings.dataset_path).digest  # type: ignore[arg-type]
        assert version.tags["feature_schema_digest"] == SHIPPED.digest
        assert len(version.tags["git_commit"]) >= 40
        assert version.tags["threshold"] == "0.5"
        assert version.tags["gate"] == "passed"
        assert "F1" in str(version.description)
        assert "loan" in trained_home.client.get_registered_model(MODEL).description

    def test_it_has_signature_and_input_example(self, trained_home: TrainedHome) -> None:
        mlflow.set_tracking_uri(trained_home.settings.mlflow_tracking_uri)
        info = mlflow.models.get_model_info(f"models:/{MODEL}/Production")
        assert [column.name for column in info.signature.inputs] == list(SHIPPED.names)
        types = {str(column.type) for column in info.signature.inputs}
        assert types == {"DataType.double", "DataType.string"}
        assert info.saved_input_example_info is not None

    def test_its_artifact_has_the_reference_package(self, trained_home: TrainedHome, tmp_path: Path) -> None:
        mlflow.set_tracking_uri(trained_home.settings.mlflow_tracking_uri)
        artifact = Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL}/Production", dst_path=str(tmp_path)))
        (version,) = trained_home.client.search_model_versions(f"name='{MODEL}'")
        assert artifact_digest(artifact) == version.tags["artifact_digest"]
        package = ReferencePackage.read(artifact)
        assert [feature["name"] for feature in package.features] == list(SHIPPED.names)
        pipeline = mlflow.sklearn.load_model(str(artifact))
        golden = applications_frame(SHIPPED, package.golden_rows.applications)
        assert package.golden_rows.largest_deviation(pipeline.predict_proba(golden)[:, 1]) == 0
        dataset = read_dataset(SHIPPED, trained_home.settings.dataset_path)  # type: ignore[arg-type]
        train_rows = len(split_dataset(dataset).train_outcomes)
        bound = laplace_bound(train_rows)
        assert min(package.golden_rows.probabilities) == bound
        assert max(package.golden_rows.probabilities) == 1 - bound
        histograms = (*package.distribution.features.values(), package.distribution.score)
        assert all(sum(histogram.counts) == train_rows for histogram in histograms)
        for part in ("# Model card", "## Use", "## Data", "## Limits", "## Performance", dataset.digest):
            assert part in package.model_card

    def test_nothing_in_its_artifact_is_an_applicant_s(self, trained_home: TrainedHome, tmp_path: Path) -> None:
        """Check that no golden row or example is a real application."""
        mlflow.set_tracking_uri(trained_home.settings.mlflow_tracking_uri)
        artifact = Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL}/Production", dst_path=str(tmp_path)))
        kept = applications_frame(SHIPPED, ReferencePackage.read(artifact).golden_rows.applications)
        example = mlflow.pyfunc.load_model(str(artifact)).input_example
        dataset = read_dataset(SHIPPED, trained_home.settings.dataset_path)  # type: ignore[arg-type]
        real = set(row_texts(dataset.applications))
        assert not real & set(row_texts(kept))
        assert not real & set(row_texts(example))

    def test_it_loads_away_from_the_repository(self, trained_home: TrainedHome, tmp_path: Path) -> None:
        """Load from another folder, without the project, by stage and by alias."""
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
    labels.append(mlflow.pyfunc.load_model(uri).predict(frame[{list(SHIPPED.names)!r}]).tolist())
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
        parent, children = runs_of(trained_home)
        assert set(children) == {"stump", *QUICK}
        assert all(child.data.tags["mlflow.parentRunId"] == parent.info.run_id for child in children.values())
        assert all(run.info.status == FINISHED for run in (parent, *children.values()))
        assert {name: child.data.tags["role"] for name, child in children.items()} == {
            "stump": "baseline",
            "decision_tree": "winner",
            "logistic_regression": "candidate",
        }

    def test_a_child_has_parameters_metrics_plots_and_data(self, trained_home: TrainedHome) -> None:
        _, children = runs_of(trained_home)
        child = children["decision_tree"]
        assert child.data.params["criterion"] == "gini"
        assert child.data.params["calibration"] == "none"
        for metric in ("f1", "mcc", "roc_auc", "ks", "expected_calibration_error", "cv_f1_mean", "cv_f1_std"):
            assert metric in child.data.metrics
        for timing in ("fit_seconds", "scoring_seconds_1_row", "scoring_seconds_1000_rows"):
            assert child.data.metrics[timing] > 0
        assert {*artifacts_of(trained_home, child)} >= {
            "plots/roc.png",
            "plots/precision_recall.png",
            "plots/confusion_matrix.png",
            "plots/calibration.png",
            "plots/threshold.png",
            "transformations.txt",
        }
        assert {*artifacts_of(trained_home, children["logistic_regression"])} == {"transformations.txt"}
        (data,) = child.inputs.dataset_inputs
        digest = read_dataset(SHIPPED, trained_home.settings.dataset_path).digest  # type: ignore[arg-type]
        assert digest.startswith(data.dataset.digest)
        assert "cross-validation" in child.data.tags["mlflow.note.content"]

    def test_the_parent_has_all_that_an_auditor_asks_for(self, trained_home: TrainedHome) -> None:
        parent, _ = runs_of(trained_home)
        assert parent.data.params["seed"] == "42"
        assert parent.data.params["winner"] == parent.data.tags["winner"] == "decision_tree"
        assert parent.data.tags["semantic_version"] == "1.0.0"
        assert parent.data.tags["same_data_as"] == "no earlier run"
        assert len(parent.data.params["code_digest"]) == 64
        assert "Version 1.0.0 is in Production." in parent.data.tags["mlflow.note.content"]
        (log,) = trained_home.settings.home.logs.iterdir()
        assert {*artifacts_of(trained_home, parent)} == {
            "data/profile.json",
            "data/profile.html",
            "data/profile.png",
            "data/split.csv",
            "data/features.toml",
            "comparison/candidates.csv",
            "comparison/candidates.png",
            "comparison/choice.txt",
            "code/source.zip",
            "environment/environment.json",
            "environment/requirements.txt",
            f"logs/{log.name}",
        }

    def test_the_execution_log_tells_the_run_and_is_the_same_in_both_places(
        self, trained_home: TrainedHome, tmp_path: Path
    ) -> None:
        parent, _ = runs_of(trained_home)
        (log,) = trained_home.settings.home.logs.iterdir()
        copy = trained_home.client.download_artifacts(parent.info.run_id, f"logs/{log.name}", str(tmp_path))
        text = log.read_text(encoding="utf-8")
        assert Path(copy).read_text(encoding="utf-8") == text
        assert "Read 600 applications" in text
        assert "decision_tree fitted in" in text
        assert "Version 1.0.0 of loan_approval_model is in Production." in text

    def test_the_split_can_be_replayed(self, trained_home: TrainedHome, tmp_path: Path) -> None:
        parent, _ = runs_of(trained_home)
        path = trained_home.client.download_artifacts(parent.info.run_id, "data/split.csv", str(tmp_path))
        split = split_dataset(read_dataset(SHIPPED, trained_home.settings.dataset_path))  # type: ignore[arg-type]
        with Path(path).open(encoding="utf-8") as file:
            sides = {int(row["row"]): row["part"] for row in csv.DictReader(file)}
        assert {row for row, part in sides.items() if part == "holdout"} == set(split.holdout_outcomes.index)
        assert {row for row, part in sides.items() if part == "train"} == set(split.train_outcomes.index)

    def test_the_version_points_at_the_winner_s_run(self, trained_home: TrainedHome) -> None:
        (version,) = trained_home.client.search_model_versions(f"name='{MODEL}'")
        run = trained_home.client.get_run(str(version.run_id))
        assert run.data.params["algorithm"] == "decision_tree"

    def test_the_terminal_tells_what_happens(self, trained_home: TrainedHome) -> None:
        assert "Read 600 applications from" in trained_home.output
        assert "new to this tracking store" in trained_home.output
        assert "3/3" in trained_home.output
        assert "decision_tree ◀" in trained_home.output
        assert "Registered as version 1.0.0 (the first version)." in trained_home.output
        assert "Version 1.0.0 of loan_approval_model is in Production." in trained_home.output


def test_the_same_again_is_the_same_and_registers_nothing(own_home: TrainedHome) -> None:
    """Train on the same rows in another order and in a renamed file."""
    assert own_home.settings.dataset_path is not None
    header, *rows = own_home.settings.dataset_path.read_text(encoding="utf-8").splitlines()
    other = own_home.settings.dataset_path.with_name("other.csv")
    other.write_text("\n".join([header, *reversed(rows)]) + "\n", encoding="utf-8")
    (first,) = training_runs(own_home.client, SHIPPED.name)
    output = train_quickly(dataclasses.replace(own_home.settings, dataset_path=other))
    assert f"the same data as run {first.info.run_id}." in output
    assert "The model is identical to version 1.0.0; nothing is registered." in output
    assert len(own_home.client.search_model_versions(f"name='{MODEL}'")) == 1
    again, _ = training_runs(own_home.client, SHIPPED.name)
    timings = ("fit_seconds", "scoring_seconds_1_row", "scoring_seconds_1000_rows")
    one, two = (
        {name: value for name, value in run.data.metrics.items() if name not in timings} for run in (first, again)
    )
    assert one == two
    assert first.data.params | {"dataset": ""} == again.data.params | {"dataset": ""}
    assert again.data.tags["same_data_as"] == first.info.run_id


def test_a_refit_that_differs_is_a_patch_and_says_why(twice_trained_home: TrainedHome) -> None:
    client = twice_trained_home.client
    expected = "Registered as version 1.0.1 (patch: compared with 1.0.0, changed: threshold)."
    assert expected in twice_trained_home.output
    versions = {v.tags["semantic_version"]: v for v in client.search_model_versions(f"name='{MODEL}'")}
    assert {number: version.current_stage for number, version in versions.items()} == {
        "1.0.0": "Archived",
        "1.0.1": "Production",
    }
    assert client.get_model_version_by_alias(MODEL, "champion").version == versions["1.0.1"].version
    assert versions["1.0.1"].tags["threshold"] != versions["1.0.0"].tags["threshold"]


def test_training_is_skipped_where_a_version_is_in_production(own_home: TrainedHome) -> None:
    finished = command(own_home, "run", "--unless-in-production")
    assert finished.exit_code == 0, finished.stderr
    assert "loan_approval_model 1.0.0 is already in Production; skipping training." in finished.stdout
    assert len(own_home.client.search_model_versions(f"name='{MODEL}'")) == 1


def test_a_tracking_store_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database at all, whatever its name says")
    environ = {"LOAN_HOME": str(tmp_path), "MLFLOW_TRACKING_URI": ""}
    finished = run_in_process(environ, "run", "--unless-in-production")
    assert finished.exit_code == 1
    assert finished.stderr.startswith("Error: the tracking store cannot be used: ")
    assert "Traceback" not in finished.stderr


def test_a_home_that_cannot_be_made_is_one_line() -> None:
    finished = run_in_process({"LOAN_HOME": "/proc/no/such/place", "MLFLOW_TRACKING_URI": ""}, "history")
    assert finished.exit_code == 1
    assert finished.stderr == "Error: LOAN_HOME cannot be used: No such file or directory (/proc)\n"


def test_a_candidate_no_better_than_the_baseline_is_not_registered(tmp_path: Path) -> None:
    write_sample(SHIPPED, tmp_path / "data.csv", rows=200)
    settings = read_settings({"LOAN_HOME": str(tmp_path), "DATASET_PATH": str(tmp_path / "data.csv")})
    coin = Candidate("coin", lambda seed, *_: DummyClassifier(strategy="uniform", random_state=seed), constrained=True)
    with pytest.raises(NoWinnerError):
        train(
            settings,
            [coin],
            TrainingConsole(Console(quiet=True)),
            conditions=Conditions(1),
            jobs=1,
            interrupts=Interrupts(),
        )
    client = mlflow.MlflowClient(settings.mlflow_tracking_uri)
    assert client.search_registered_models() == []
    (parent,) = training_runs(client, SHIPPED.name)
    assert parent.info.status == RunStatus.to_string(RunStatus.FAILED)
    (log,) = settings.home.logs.iterdir()
    assert "ERROR" in log.read_text(encoding="utf-8")
    assert "is no better than the baseline stump" in log.read_text(encoding="utf-8")


def test_the_log_of_a_failure_holds_no_message_of_a_library(tmp_path: Path) -> None:
    class Broken(DummyClassifier):  # type: ignore[misc]
        def fit(self, *_: object, **__: object) -> None:
            raise ValueError(str(4000 + 711))

    write_sample(SHIPPED, tmp_path / "data.csv", rows=200)
    settings = read_settings({"LOAN_HOME": str(tmp_path), "DATASET_PATH": str(tmp_path / "data.csv")})
    broken = Candidate("broken", lambda *_: Broken(), constrained=True)
    with pytest.raises(ValueError, match="4711"):
        train(
            settings,
            [broken],
            TrainingConsole(Console(quiet=True)),
            conditions=Conditions(1),
            jobs=1,
            interrupts=Interrupts(),
        )
    (log,) = settings.home.logs.iterdir()
    assert "ValueError" in log.read_text(encoding="utf-8")
    assert "4711" not in log.read_text(encoding="utf-8")


def runs_of(home: TrainedHome) -> tuple[Run, dict[str, Run]]:
    """Return the only training run, and its children by algorithm."""
    (parent,) = training_runs(home.client, SHIPPED.name)
    children = home.client.search_runs(
        [parent.info.experiment_id], filter_string=f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    )
    return parent, {run.data.params["algorithm"]: run for run in children}


def artifacts_of(home: TrainedHome, run: Run, folder: str = "") -> Iterator[str]:
    """Yield the paths of all its files."""
    for entry in home.client.list_artifacts(run.info.run_id, folder):
        if entry.is_dir:
            yield from artifacts_of(home, run, entry.path)
        else:
            yield entry.path
