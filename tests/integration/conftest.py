"""A real MLflow on SQLite with a real, small model in Production."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from rich.console import Console

from loan_api.settings import Settings, read_settings
from training.candidates import select_candidates
from training.console import TrainingConsole
from training.run import train
from training.sample import write_sample

QUICK = ("decision_tree", "naive_bayes")


@dataclass(frozen=True)
class TrainedHome:
    """A LOAN_HOME with one trained model, and what training it printed."""

    settings: Settings
    output: str

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs to use this home."""
        return {"LOAN_HOME": str(self.settings.loan_home), "DATASET_PATH": str(self.settings.dataset_path)}

    @property
    def client(self) -> MlflowClient:
        """A client of its registry."""
        return MlflowClient(tracking_uri=self.settings.mlflow_tracking_uri)


def train_quickly(settings: Settings, names: tuple[str, ...] = QUICK) -> str:
    """Trains a few candidates and returns what was printed."""
    output = StringIO()
    train(settings, select_candidates(names), TrainingConsole(Console(file=output, width=200)), seed=42, jobs=1)
    return output.getvalue()


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainedHome]:
    """Trained once for all; tests that change it take `own_home`."""
    home = tmp_path_factory.mktemp("home")
    write_sample(home / "data.csv", rows=600, seed=11)
    settings = read_settings(
        {"LOAN_HOME": str(home), "DATASET_PATH": str(home / "data.csv"), "MODEL_POLL_SECONDS": "3600"}
    )
    yield TrainedHome(settings, train_quickly(settings))
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # back to the default


@pytest.fixture
def own_home(tmp_path: Path) -> TrainedHome:
    """A home of the test's own, with one trained model."""
    write_sample(tmp_path / "data.csv", rows=600, seed=11)
    settings = read_settings({"LOAN_HOME": str(tmp_path), "DATASET_PATH": str(tmp_path / "data.csv")})
    return TrainedHome(settings, train_quickly(settings))


@pytest.fixture(autouse=True)
def _no_artifacts_elsewhere() -> Iterator[None]:
    """Everything that MLflow writes lies under LOAN_HOME."""
    yield
    assert not Path("mlruns").exists()
