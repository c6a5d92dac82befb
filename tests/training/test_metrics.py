"""Metrics match the literature, and intervals have the stated coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.selection.metrics import (
    calibration_slope,
    confidence_intervals,
    expected_calibration_error,
    kolmogorov_smirnov,
    measure,
    paired_difference,
)

OUTCOMES = np.array([0, 0, 0, 1, 1, 1, 1, 1])
PROBABILITIES = np.array([0.1, 0.2, 0.7, 0.3, 0.8, 0.9, 0.95, 1.0])


def test_a_worked_example() -> None:
    metrics = measure(OUTCOMES, PROBABILITIES, 0.5)
    assert metrics["accuracy"] == 6 / 8
    assert metrics["precision"] == metrics["recall"] == metrics["f1"] == 4 / 5
    assert metrics["brier"] == pytest.approx(np.mean((PROBABILITIES - OUTCOMES) ** 2))
    assert metrics["roc_auc"] == 14 / 15


def test_the_threshold_itself_approves() -> None:
    assert measure(OUTCOMES, PROBABILITIES, 0.3)["recall"] == 1
    assert measure(OUTCOMES, PROBABILITIES, 0.3000001)["recall"] == 4 / 5


def test_ks_is_the_largest_distance_of_the_two_score_distributions() -> None:
    assert kolmogorov_smirnov(OUTCOMES, PROBABILITIES) == pytest.approx(4 / 5)  # at 0.8: 4 of 5 against 0 of 3
    assert kolmogorov_smirnov(np.array([0, 1]), np.array([0.4, 0.6])) == 1


def test_calibration_error_weighs_the_bins() -> None:
    outcomes, probabilities = np.array([0, 0, 0, 1]), np.array([0.05, 0.05, 1.0, 1.0])
    assert expected_calibration_error(outcomes, probabilities) == pytest.approx(0.5 * 0.05 + 0.5 * 0.5)


@settings(deadline=None)  # a loaded machine is slow at times
@given(st.integers(0, 2**32 - 1))
def test_metrics_stay_within_their_ranges(seed: int) -> None:
    random = np.random.default_rng(seed)
    outcomes = np.array([0, 1, *random.integers(0, 2, 30)])
    metrics = measure(outcomes, random.random(32), 0.5)
    assert -1 <= metrics.pop("mcc") <= 1
    assert metrics.pop("log_loss") >= 0
    assert np.isfinite(metrics.pop("calibration_slope"))
    assert all(0 <= value <= 1 for value in metrics.values())


def test_intervals_hold_the_value_and_stay_honest_where_nothing_was_wrong() -> None:
    metrics = measure(OUTCOMES, PROBABILITIES, 0.5)
    for name, (low, high) in confidence_intervals(OUTCOMES, PROBABILITIES, 0.5).items():
        assert low <= metrics[name] <= high
    perfect = confidence_intervals(np.array([0, 1] * 50), np.array([0.0, 1.0] * 50), 0.5)
    assert 0.92 < perfect["f1"][0] < 1
    assert perfect["f1"][1] == 1
    assert 0.03 < perfect["brier"][1] < 0.05
    assert 0.95 < perfect["accuracy"][0] < 0.97  # Wilson: 100 / (100 + 1.96²)


def test_a_model_does_not_differ_from_itself() -> None:
    model = (PROBABILITIES, 0.5)
    for metric in ("f1", "brier"):
        assert paired_difference(metric, OUTCOMES, model, model, seed=1) == (0, 0, 0)


def test_the_paired_interval_holds_the_difference_and_knows_the_better_model() -> None:
    random = np.random.default_rng(1)
    outcomes = random.integers(0, 2, 500)
    good, bad = (np.clip(outcomes + random.normal(0, spread, 500), 0, 1) for spread in (0.3, 1.0))
    difference, low, high = paired_difference("f1", outcomes, (good, 0.5), (bad, 0.5), seed=1)
    assert low < difference < high
    assert low > 0.1
    difference, low, high = paired_difference("brier", outcomes, (good, 0.5), (bad, 0.5), seed=1)
    assert high < 0


@pytest.mark.parametrize(("factor", "slope"), [(1.0, 1.0), (2.0, 0.5), (0.5, 2.0)])
def test_the_calibration_slope_undoes_a_factor_on_the_log_odds(factor: float, slope: float) -> None:
    random = np.random.RandomState(0)
    odds = random.normal(0, 2, 40_000)
    outcomes = (random.random_sample(40_000) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    assert calibration_slope(outcomes, 1 / (1 + np.exp(-factor * odds))) == pytest.approx(slope, rel=0.05)


def test_probabilities_that_do_not_differ_have_no_calibration_slope() -> None:
    assert calibration_slope(np.array([0, 1, 1]), np.array([0.5, 0.5, 0.5])) == 0
