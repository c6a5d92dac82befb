"""The winner is chosen by cross-validation alone, and the choice explains itself."""

import pytest

from tests.support.evaluations import evaluation
from training.errors import NoWinnerError
from training.selection.candidates import Complexity
from training.selection.choice import choose

STUMP = evaluation("stump", 0.95)


def test_the_best_mean_wins() -> None:
    assert choose([evaluation("a", 0.97), evaluation("b", 0.99)], STUMP).winner.candidate.name == "b"


def test_within_a_standard_error_the_better_probabilities_win() -> None:
    best = evaluation("best", 0.990, spread=0.01, brier=0.15)
    close = evaluation("close", 0.987, brier=0.01)
    far = evaluation("far", 0.980, brier=0.001)
    assert choose([best, close, far], STUMP).winner.candidate.name == "close"


def test_within_a_standard_error_of_the_best_probabilities_the_simplest_wins() -> None:
    sharpest = evaluation("sharpest", 0.99, brier=0.0100, brier_spread=0.001)
    simple = evaluation("simple", 0.99, brier=0.0103, complexity=Complexity.READABLE)
    blunt = evaluation("blunt", 0.99, brier=0.0110, complexity=Complexity.READABLE)
    assert choose([sharpest, simple, blunt], STUMP).winner.candidate.name == "simple"


def test_of_equally_simple_ones_the_better_probabilities_win() -> None:
    one = evaluation("one", 0.99, brier=0.0100, brier_spread=0.01)
    other = evaluation("other", 0.99, brier=0.0101)
    assert choose([other, one], STUMP).winner.candidate.name == "one"


def test_the_holdout_has_no_say() -> None:
    lucky = evaluation("lucky", 0.96, holdout_f1=1.0)
    good = evaluation("good", 0.98, holdout_f1=0.5)
    assert choose([lucky, good], STUMP).winner.candidate.name == "good"


def test_what_does_not_beat_the_baseline_does_not_win() -> None:
    with pytest.raises(NoWinnerError, match=r"a \(F1 0\.9400\), is no better than the baseline stump \(F1 0\.9500\)"):
        choose([evaluation("a", 0.94)], STUMP)


def test_the_reason_names_who_was_considered() -> None:
    best = evaluation("best", 0.990, spread=0.01, brier=0.15)
    close = evaluation("close", 0.987, brier=0.01)
    reason = choose([best, close, evaluation("far", 0.9)], STUMP).reason
    assert reason == (
        "close wins. Within one standard error of the best cross-validated F1 (0.9900, best): best, close. Of these,"
        " within one standard error of the best Brier score (0.0100, close): close. It is the only one."
    )


def test_a_simple_candidate_below_the_baseline_does_not_hide_a_better_one() -> None:
    simple = evaluation("simple", 0.949, complexity=Complexity.READABLE)
    better = evaluation("better", 0.951, spread=0.01)
    assert choose([simple, better], STUMP).winner.candidate.name == "better"
