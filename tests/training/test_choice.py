"""The winner is chosen by cross-validation alone, and the choice explains itself."""

from typing import Any

import numpy as np
import pytest

from tests.support.evaluations import evaluation
from training.errors import NoWinnerError
from training.selection.candidates import Complexity
from training.selection.choice import Choice, choose
from training.selection.evaluation import Evaluation

ROWS = 1000
OUTCOMES = np.arange(ROWS) % 2
# Half of either outcome.
ALTERNATING = np.where(np.arange(ROWS) % 4 < 2, 1, -1)


def losing(name: str, log_loss: float, spread: float = 0.0, **more: Any) -> Evaluation:
    """Return an evaluation with this mean log loss; half the applications lose `spread` more, half less.

    The standard error of the difference from an evaluation without spread is a thirtieth of the spread.
    """
    of_the_outcome = np.exp(-(log_loss + spread * ALTERNATING))
    return evaluation(name, np.where(OUTCOMES == 1, of_the_outcome, 1 - of_the_outcome).tolist(), **more)


STUMP = losing("stump", 0.5)


def choice_of(*evaluations: Evaluation) -> Choice:
    return choose(evaluations, STUMP, OUTCOMES)


def winner_of(*evaluations: Evaluation) -> str:
    return choice_of(*evaluations).winner.candidate.name


def test_the_lowest_log_loss_wins() -> None:
    assert winner_of(losing("a", 0.4), losing("b", 0.3), losing("c", 0.35)) == "b"


def test_within_a_standard_error_of_the_best_the_simplest_wins() -> None:
    simple = losing("simple", 0.302, spread=0.1, complexity=Complexity.READABLE)
    assert winner_of(losing("best", 0.3), simple) == "simple"


def test_beyond_a_standard_error_the_simplest_does_not_win() -> None:
    simple = losing("simple", 0.302, spread=0.01, complexity=Complexity.READABLE)
    assert winner_of(losing("best", 0.3), simple) == "best"


def test_the_lower_log_loss_decides_between_equally_simple_ones() -> None:
    one = losing("one", 0.302, spread=0.1, complexity=Complexity.READABLE)
    other = losing("other", 0.301, spread=0.1, complexity=Complexity.READABLE)
    assert winner_of(losing("best", 0.3), one, other) == "other"


def test_the_holdout_has_no_say() -> None:
    assert winner_of(losing("lucky", 0.4, holdout_f1=1.0), losing("good", 0.3, holdout_f1=0.5)) == "good"


def test_a_candidate_that_does_not_beat_the_baseline_does_not_win() -> None:
    with pytest.raises(
        NoWinnerError,
        match=r"a \(log loss 0\.6000\), is no better than the baseline stump \(log loss 0\.5000\); nothing is reg",
    ):
        choice_of(losing("a", 0.6))


def test_a_simple_candidate_below_the_baseline_does_not_hide_a_better_one() -> None:
    simple = losing("simple", 0.501, spread=0.2, complexity=Complexity.READABLE)
    assert winner_of(simple, losing("better", 0.499)) == "better"


def test_a_candidate_that_violates_an_effect_does_not_win() -> None:
    best = losing("best", 0.2, violations={"income": 0.1})
    assert winner_of(best, losing("second", 0.3)) == "second"
    with pytest.raises(NoWinnerError, match="no candidate follows the declared effects of income, debt; nothing is"):
        choice_of(best, losing("other", 0.3, violations={"income": 0.3, "debt": 0.2}))


@pytest.mark.parametrize(
    ("complexities", "reason"),
    [
        (
            (Complexity.ENSEMBLE, Complexity.READABLE, Complexity.ENSEMBLE),
            "It is the simplest.",
        ),
        (
            (Complexity.ENSEMBLE, Complexity.READABLE, Complexity.READABLE),
            "It has the lowest log loss of the simplest, close, third.",
        ),
    ],
)
def test_the_reason_names_who_was_considered(complexities: tuple[Complexity, ...], reason: str) -> None:
    best, close, third = (
        losing(name, loss, spread, complexity=complexity)
        for (name, loss, spread), complexity in zip(
            (("best", 0.3, 0.0), ("close", 0.301, 0.1), ("third", 0.302, 0.1)), complexities, strict=True
        )
    )
    assert choice_of(best, close, third, losing("far", 0.4)).reason == (
        "close wins. Within one standard error of the best cross-validated log loss (0.3000, best): best, close, third."
        f" {reason}"
    )
    assert choice_of(best, losing("far", 0.4)).reason.endswith("(0.3000, best): best. It is the only one.")
