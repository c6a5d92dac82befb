"""The split is honest, and the winner is chosen by cross-validation alone."""

import pandas as pd
import pytest

from training.candidates import BASELINE, Candidate, select_candidates
from training.dataset import Dataset
from training.errors import DatasetError, NoWinnerError
from training.evaluation import Evaluation, choose, evaluate, evaluate_all, split_dataset


def evaluation(name: str, f1: float, spread: float = 0.0, brier: float = 0.1, holdout_f1: float = 0.0) -> Evaluation:
    metrics = {"cv_f1_mean": f1, "cv_f1_std": spread, "cv_brier_mean": brier, "f1": holdout_f1}
    return Evaluation(Candidate(name, lambda _: None), None, metrics, {}, 0.0)


STUMP = evaluation("stump", 0.95)


class TestChoice:
    def test_the_best_mean_wins(self) -> None:
        assert choose([evaluation("a", 0.97), evaluation("b", 0.99)], STUMP).candidate.name == "b"

    def test_within_a_standard_error_the_better_probabilities_win(self) -> None:
        best = evaluation("best", 0.990, spread=0.01, brier=0.15)
        close = evaluation("close", 0.987, brier=0.01)
        far = evaluation("far", 0.980, brier=0.001)
        assert choose([best, close, far], STUMP).candidate.name == "close"

    def test_the_holdout_has_no_say(self) -> None:
        lucky = evaluation("lucky", 0.96, holdout_f1=1.0)
        assert choose([lucky, evaluation("better", 0.99, holdout_f1=0.9)], STUMP).candidate.name == "better"

    @pytest.mark.parametrize("f1", [0.94, 0.95])
    def test_what_is_no_better_than_one_split_does_not_win(self, f1: float) -> None:
        with pytest.raises(NoWinnerError, match="no better than the baseline stump"):
            choose([evaluation("a", f1)], STUMP)


class TestSplit:
    def test_it_is_stratified_complete_and_disjoint(self, small_dataset: Dataset) -> None:
        split = split_dataset(small_dataset, seed=1)
        train, holdout = split.train_applications.index, split.holdout_applications.index
        assert sorted([*train, *holdout]) == list(range(len(small_dataset.applications)))
        assert len(holdout) == 80
        assert abs(split.train_outcomes.mean() - split.holdout_outcomes.mean()) < 0.01

    def test_the_seed_decides(self, small_dataset: Dataset) -> None:
        first, again, other = (split_dataset(small_dataset, seed).holdout_applications for seed in (1, 1, 2))
        pd.testing.assert_frame_equal(first, again)
        assert set(first.index) != set(other.index)

    def test_too_few_of_one_outcome_are_refused(self, small_dataset: Dataset) -> None:
        few = [*small_dataset.outcomes[small_dataset.outcomes == 0].index[:5]]
        rows = [*few, *small_dataset.outcomes[small_dataset.outcomes == 1].index]
        scarce = Dataset(
            small_dataset.path, small_dataset.applications.loc[rows], small_dataset.outcomes.loc[rows], 0, False
        )
        with pytest.raises(DatasetError, match="the rarer outcome has 5 applications"):
            split_dataset(scarce, seed=1)


def test_the_same_data_and_seed_give_the_same_metrics(small_dataset: Dataset) -> None:
    split = split_dataset(small_dataset, seed=1)
    for candidate in select_candidates(["random_forest", "mlp", "lightgbm"]):
        assert evaluate(candidate, split, seed=3).metrics == evaluate(candidate, split, seed=3).metrics


def test_evaluations_come_in_order_whatever_the_number_of_processes(small_dataset: Dataset) -> None:
    split = split_dataset(small_dataset, seed=1)
    competitors = (BASELINE, *select_candidates(["decision_tree", "naive_bayes"]))
    one, two = (
        [(e.candidate.name, e.metrics) for e in evaluate_all(competitors, split, seed=1, jobs=jobs)] for jobs in (1, 2)
    )
    assert one == two
    assert [name for name, _ in one] == ["stump", "decision_tree", "naive_bayes"]


def test_every_metric_is_a_share_or_a_squared_error(small_dataset: Dataset) -> None:
    metrics = evaluate(BASELINE, split_dataset(small_dataset, seed=1), seed=1).metrics
    assert {"accuracy", "precision", "recall", "f1", "brier", "cv_f1_mean", "cv_f1_std"} <= set(metrics)
    assert all(0 <= value <= 1 for value in metrics.values())
