"""A LOAN_HOME with a real registry and real, small models: trained once, copied for each test that changes it."""

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
from training.commands import cli
from training.console import TrainingConsole
from training.data.sample import write_sample
from training.interruption import Interrupts
from training.lock import exclusive
from training.selection.candidates import select_candidates
from training.selection.evaluation import Conditions
from training.workflow import train

QUICK = ("decision_tree", "naive_bayes")
USUAL = Conditions(seed=42)
# Leads to the same tree with another threshold: another model, but as good.
REFIT = Conditions(seed=42, wrong_approval_cost=4)


GRAPH = "compiled/model.onnx"


@dataclass(frozen=True)
class TrainedHome:
    """A LOAN_HOME with one trained model, and what training it printed."""

    settings: Settings
    output: str

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs to use this home."""
        return {
            "LOAN_HOME": str(self.settings.loan_home),
            "DATASET_PATH": str(self.settings.dataset_path),
            # MLflow leaves its own in the environment of the process that used it.
            "MLFLOW_TRACKING_URI": "",
        }

    @property
    def client(self) -> MlflowClient:
        """A client of its registry."""
        return MlflowClient(tracking_uri=self.settings.mlflow_tracking_uri)


def train_quickly(settings: Settings, names: tuple[str, ...] = QUICK, conditions: Conditions = USUAL) -> str:
    """Trains a few candidates and returns what was printed."""
    output = StringIO()
    console = TrainingConsole(Console(file=output, width=200))
    train(settings, select_candidates(names), console, conditions=conditions, jobs=1, interrupts=Interrupts())
    return output.getvalue()


def command(home: TrainedHome, *arguments: str) -> Result:
    """`python -m training …` on that home, in this process."""
    return run_in_process(home.environ, *arguments)


def run_in_process(environ: dict[str, str], *arguments: str) -> Result:
    """`python -m training …`, in this process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return CliRunner().invoke(cli, arguments, env=environ)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_training(environ: dict[str, str], *arguments: str, seconds: float = 180) -> subprocess.CompletedProcess[str]:
    """`python -m training …`, in a process of its own, which has so many seconds."""
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
    """The home that `make` makes in `folder`, by whichever process of the test run comes first."""
    folder.mkdir(exist_ok=True)
    home, output = folder / "home", folder / "output"
    with exclusive(folder / "lock"):
        if not output.exists():
            output.write_text(make(home).output, encoding="utf-8")
    return TrainedHome(settings_of(home), output.read_text(encoding="utf-8"))


def settings_of(home: Path) -> Settings:
    """For a home that keeps its data beside everything else."""
    return read_settings({"LOAN_HOME": str(home), "DATASET_PATH": str(home / "data.csv"), "MODEL_POLL_SECONDS": "3600"})


def new_home(home: Path, names: tuple[str, ...] = QUICK) -> TrainedHome:
    """1.0.0 is in Production, the best of these candidates, trained on 600 synthetic applications."""
    home.mkdir()
    write_sample(home / "data.csv", rows=600, seed=11)
    settings = settings_of(home)
    return TrainedHome(settings, train_quickly(settings, names))


def with_refit(original: TrainedHome, home: Path) -> TrainedHome:
    """A copy where 1.0.0 was in Production and 1.0.1 is."""
    copy = copy_of(original, home)
    return dataclasses.replace(copy, output=train_quickly(copy.settings, ("decision_tree",), REFIT))


# Where MLflow's database says where artifacts lie.
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


def copy_of(original: TrainedHome, home: Path) -> TrainedHome:
    """The same home at another place."""
    # A service that runs there may be about to rename what it has fetched.
    shutil.copytree(original.settings.loan_home, home, ignore=shutil.ignore_patterns(".aside-*"))
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
