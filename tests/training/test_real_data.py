"""What the registered model must be worth on the user's real data, where it lies in `dataset/`."""

import pytest
from rich.console import Console

from loan_api.settings import DEFAULT_DATASET, read_settings
from training.console import TrainingConsole
from training.interruption import Interrupts
from training.run import TrainedModel, train
from training.selection.candidates import select_candidates
from training.selection.evaluation import Conditions


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    if not DEFAULT_DATASET.exists():
        pytest.skip("put loan_approval_dataset.csv into dataset/")
    settings = read_settings({"LOAN_HOME": str(tmp_path_factory.mktemp("home")), "DATASET_PATH": str(DEFAULT_DATASET)})
    # A few of every kind; the rest would not change what is asked here.
    candidates = select_candidates(["logistic_regression", "decision_tree", "naive_bayes", "lightgbm"])
    return train(
        settings,
        candidates,
        TrainingConsole(Console(quiet=True)),
        conditions=Conditions(42),
        jobs=2,
        interrupts=Interrupts(),
    )


def test_its_cross_validated_f1(trained: TrainedModel) -> None:
    assert trained.winner.metrics["cv_f1_mean"] >= 0.995


def test_its_held_out_f1_and_brier_score(trained: TrainedModel) -> None:
    assert trained.winner.metrics["f1"] >= 0.995
    assert trained.winner.metrics["brier"] <= 0.005
