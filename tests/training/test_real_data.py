"""The winner meets its quality requirements on the real data, if it is in `dataset/`."""

import pytest

from loan_api.settings import DEFAULT_DATASET
from tests.support.forms import SHIPPED
from training.data.dataset import read_dataset
from training.data.split import split_dataset
from training.selection.candidates import BASELINE, select_candidates
from training.selection.choice import choose
from training.selection.evaluation import Conditions, Evaluation, evaluating


@pytest.fixture(scope="module")
def winner() -> Evaluation:
    if not DEFAULT_DATASET.exists():
        pytest.skip("put loan_approval_dataset.csv into dataset/")
    # One candidate of each kind suffices; the others would not change the result.
    candidates = select_candidates(["logistic_regression", "decision_tree", "lightgbm", "vote_shallow"])
    split = split_dataset(read_dataset(SHIPPED, DEFAULT_DATASET))
    with evaluating((BASELINE, *candidates), split, Conditions(42), jobs=1) as evaluated:
        baseline, *evaluations = evaluated
    return choose(evaluations, baseline, split.train_outcomes.to_numpy()).winner


def test_its_cross_validated_f1(winner: Evaluation) -> None:
    assert winner.metrics["cv_f1_mean"] >= 0.995


def test_its_held_out_f1_and_brier_score(winner: Evaluation) -> None:
    assert winner.metrics["f1"] >= 0.995
    assert winner.metrics["brier"] <= 0.005
