"""Candidates are measured under equal conditions, reproducibly, and on unseen data."""

import numpy as np
import pytest

from tests.support.forms import SHIPPED
from training.data.dataset import Dataset
from training.data.split import Split, split_dataset
from training.selection.candidates import BASELINE, select_candidates
from training.selection.evaluation import Conditions, Evaluation, build_estimator, evaluate, evaluating
from training.selection.metrics import measure
from training.selection.pipeline import build_pipeline, describe_transformations
from training.selection.plots import draw_plots

CONDITIONS = Conditions(seed=3)
COMPETITORS = (*select_candidates(["extra_trees", "lightgbm"]), BASELINE)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def split(small_dataset: Dataset) -> Split:
    return split_dataset(small_dataset)


@pytest.fixture(scope="module")
def evaluations(split: Split) -> list[Evaluation]:
    """Evaluate two randomised candidates and the baseline in this process."""
    with evaluating(COMPETITORS, split, CONDITIONS, jobs=1) as evaluated:
        return list(evaluated)


def test_the_same_data_and_seed_give_the_same_in_order_whatever_the_number_of_processes(
    split: Split, evaluations: list[Evaluation]
) -> None:
    with evaluating(COMPETITORS, split, CONDITIONS, jobs=2) as evaluated:
        others = list(evaluated)
    for made in (evaluations, others):
        assert [evaluation.candidate.name for evaluation in made] == ["lightgbm", "extra_trees", "stump"]
    for one, other in zip(evaluations, others, strict=True):
        assert one.metrics == other.metrics
        assert np.array_equal(one.holdout, other.holdout)
        assert np.array_equal(one.out_of_fold, other.out_of_fold)
        assert (one.threshold, one.calibration) == (other.threshold, other.calibration)


def test_everything_that_is_asked_for_is_measured(evaluations: list[Evaluation]) -> None:
    evaluation = evaluations[-1]
    names = {
        *("accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc", "roc_auc", "average_precision"),
        *("brier", "log_loss", "ks", "expected_calibration_error", "calibration_slope"),
    }
    assert set(evaluation.metrics) == names | {f"cv_{name}_{part}" for name in names for part in ("mean", "std")}
    assert set(evaluation.timings) == {"fit_seconds", "scoring_seconds_1_row", "scoring_seconds_1000_rows"}
    assert all(seconds > 0 for seconds in evaluation.timings.values())


def test_plots_are_drawn(split: Split, evaluations: list[Evaluation]) -> None:
    evaluation = evaluations[-1]
    plots = draw_plots(split, evaluation.out_of_fold, evaluation.holdout, evaluation.threshold)
    assert set(plots) == {
        *("confusion_matrix.png", "roc.png", "precision_recall.png", "calibration.png", "threshold.png")
    }
    assert all(png.startswith(PNG) for png in plots.values())


def test_the_pipeline_decides_at_the_chosen_threshold(split: Split) -> None:
    """Calibration around the estimator does not change that."""
    conditions = Conditions(seed=3, wrong_approval_cost=20)
    for candidate in select_candidates(["logistic_regression"]):
        evaluation = evaluate(candidate, split, conditions)
        assert evaluation.threshold > 0.5
        probabilities = evaluation.pipeline.predict_proba(split.holdout_applications)[:, 1]
        assert np.array_equal(probabilities, evaluation.holdout)
        decisions = evaluation.pipeline.predict(split.holdout_applications)
        assert np.array_equal(decisions, (probabilities >= evaluation.threshold).astype(int))
        holdout = measure(split.holdout_outcomes.to_numpy(), probabilities, evaluation.threshold)
        assert {name: evaluation.metrics[name] for name in holdout} == holdout


def test_transformations_are_described_with_their_parameters(split: Split) -> None:
    (scaled, plain) = (
        describe_transformations(
            SHIPPED,
            build_pipeline(
                SHIPPED, build_estimator(candidate, SHIPPED, seed=3), scaled=candidate.scaled, imputed=False
            ).fit(split.train_applications, split.train_outcomes),
        )
        for candidate in select_candidates(["logistic_regression", "decision_tree"])
    )
    assert "education: Post Graduate is treated as Graduate" in plain
    assert "education: 1 if Not Graduate, otherwise 0" in plain
    assert "numbers are used unchanged" in plain
    mean = split.train_applications["cibil_score"].mean()
    assert any(line.startswith(f"cibil_score: minus {mean:.12g}"[:30]) for line in scaled)
    assert len([line for line in scaled if "divided by" in line]) == 14
