"""LOAN_HOMEs with a real registry and small models, trained once and copied for tests that change them."""

import dataclasses
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from click.testing import CliRunner, Result
from mlflow import MlflowClient
from rich.console import Console

from loan_api.scoring.package import TAG_ARTIFACT_DIGEST, artifact_digest
from loan_api.settings import PROJECT_ROOT, Settings, read_settings
from tests.support.forms import SHIPPED
from training.commands import cli
from training.console import TrainingConsole
from training.data.sample import write_sample
from training.interruption import Interrupts
from training.lock import exclusive
from training.selection.candidates import select_candidates
from training.selection.evaluation import Conditions
from training.workflow import train

QUICK = ("decision_tree", "logistic_regression")
USUAL = Conditions(seed=42)
# Yields the same tree with another threshold, so another model of equal quality.
REFIT = Conditions(seed=42, wrong_approval_cost=4)


GRAPH = "compiled/model.onnx"
# The form of a home, if it is not the shipped one.
FORM = "features.toml"


@dataclass(frozen=True)
class TrainedHome:
    """A LOAN_HOME with one trained model, and the output of its training."""

    settings: Settings
    output: str

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment of a process that uses this home."""
        return {
            "LOAN_HOME": str(self.settings.loan_home),
            "DATASET_PATH": str(self.settings.dataset_path),
            "FEATURES_PATH": str(self.settings.features_path),
            # MLflow sets the variable in the process that used it.
            "MLFLOW_TRACKING_URI": "",
        }

    @property
    def client(self) -> MlflowClient:
        """Return a client of its registry."""
        return MlflowClient(tracking_uri=self.settings.mlflow_tracking_uri)


def train_quickly(settings: Settings, names: tuple[str, ...] = QUICK, conditions: Conditions = USUAL) -> str:
    """Train a few candidates and return the output."""
    output = StringIO()
    console = TrainingConsole(Console(file=output, width=200))
    train(settings, select_candidates(names), console, conditions=conditions, jobs=1, interrupts=Interrupts())
    return output.getvalue()


def command(home: TrainedHome, *arguments: str) -> Result:
    """Run `python -m training …` on that home, in this process."""
    return run_in_process(home.environ, *arguments)


def run_in_process(environ: dict[str, str], *arguments: str) -> Result:
    """Run `python -m training …` in this process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return CliRunner().invoke(cli, arguments, env=environ)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_training(environ: dict[str, str], *arguments: str, seconds: float = 180) -> subprocess.CompletedProcess[str]:
    """Run `python -m training …` in its own process, with a timeout."""
    return subprocess.run(
        [sys.executable, "-m", "training", *arguments],
        cwd=PROJECT_ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )


def made_once(folder: Path, make: Callable[[Path], TrainedHome]) -> TrainedHome:
    """Return the home in `folder`; the first process of the test run creates it with `make`."""
    folder.mkdir(exist_ok=True)
    home, output = folder / "home", folder / "output"
    with exclusive(folder / "lock"):
        if not output.exists():
            output.write_text(make(home).output, encoding="utf-8")
    return TrainedHome(settings_of(home), output.read_text(encoding="utf-8"))


def settings_of(home: Path) -> Settings:
    """Return the settings of a home that also contains its dataset, and its form unless that is the shipped one."""
    return read_settings({"LOAN_HOME": str(home), "MODEL_POLL_SECONDS": "3600", **files_of(home)})


def files_of(home: Path) -> dict[str, str]:
    """Return the variables that name the dataset and the form in a home."""
    form = {"FEATURES_PATH": str(home / FORM)} if (home / FORM).exists() else {}
    return {"DATASET_PATH": str(home / "data.csv"), **form}


def new_home(home: Path, names: tuple[str, ...] = QUICK) -> TrainedHome:
    """Train 1.0.0 on 600 synthetic applications; the best of these candidates is in Production."""
    home.mkdir()
    write_sample(SHIPPED, home / "data.csv", rows=600, seed=11)
    settings = settings_of(home)
    return TrainedHome(settings, train_quickly(settings, names))


def new_german_home(home: Path) -> TrainedHome:
    """Train 1.0.0 of another form on the example dataset."""
    home.mkdir()
    for source, name in (("german_credit.csv", "data.csv"), ("german_credit.toml", FORM)):
        shutil.copyfile(PROJECT_ROOT / "dataset" / source, home / name)
    settings = settings_of(home)
    return TrainedHome(settings, train_quickly(settings, ("logistic_regression",)))


def with_refit(original: TrainedHome, home: Path) -> TrainedHome:
    """Return a copy in which 1.0.1 has replaced 1.0.0 in Production."""
    copy = copy_of(original, home)
    return dataclasses.replace(copy, output=train_quickly(copy.settings, ("decision_tree",), REFIT))


# Columns of MLflow's database that hold locations of artifacts.
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


def copy_of(original: TrainedHome, home: Path) -> TrainedHome:
    """Copy a home to another place."""
    # A running service may be about to rename a downloaded model.
    shutil.copytree(original.settings.loan_home, home, ignore=shutil.ignore_patterns(".staging-*"))
    with closing(sqlite3.connect(home / "mlflow.db")) as database, database:
        for table, column in _LOCATIONS:
            database.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)",
                (str(original.settings.loan_home), str(home)),
            )
    return TrainedHome(settings_of(home), original.output)


def damage(home: Path) -> None:
    """Truncate the compiled graph and register the damaged artifact's digest."""
    artifact = artifact_of(home)
    (artifact / GRAPH).write_bytes((artifact / GRAPH).read_bytes()[:100])
    client = MlflowClient(tracking_uri=f"sqlite:///{home}/mlflow.db")
    client.set_model_version_tag("loan_approval_model", "1", TAG_ARTIFACT_DIGEST, artifact_digest(artifact))


def artifact_of(home: Path) -> Path:
    return next(home.glob("mlartifacts/models/*/artifacts"))
