"""Which candidate wins. Cross-validation alone decides; the holdout has no say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.data.split import FOLDS
from training.errors import NoWinnerError
from training.selection.candidates import BASELINE
from training.selection.evaluation import Evaluation


@dataclass(frozen=True)
class Choice:
    """The winner, and why it won, in a sentence."""

    winner: Evaluation
    reason: str


def choose(evaluations: Sequence[Evaluation], baseline: Evaluation) -> Choice:
    """The winner by the one-standard-error rule (Breiman et al., CART, 1984), applied twice.

    Of the candidates whose mean F1 is within one standard error of the best, those whose mean Brier score is within one
    standard error of the best of them, are equally good as far as the data can tell. Of these the simplest wins, and
    among equally simple ones the one with the better Brier score. Raises NoWinnerError unless it beats the baseline's
    mean F1.
    """
    best = max(evaluations, key=lambda e: e.metrics["cv_f1_mean"])
    least_f1 = best.metrics["cv_f1_mean"] - _standard_error(best, "f1")
    accurate = [e for e in evaluations if e.metrics["cv_f1_mean"] >= least_f1]
    sharpest = min(accurate, key=lambda e: e.metrics["cv_brier_mean"])
    most_brier = sharpest.metrics["cv_brier_mean"] + _standard_error(sharpest, "brier")
    equals = [e for e in accurate if e.metrics["cv_brier_mean"] <= most_brier]
    winner = min(equals, key=lambda e: (e.candidate.complexity, e.metrics["cv_brier_mean"]))
    if winner.metrics["cv_f1_mean"] <= baseline.metrics["cv_f1_mean"]:
        raise NoWinnerError(
            f"the best candidate, {winner.candidate.name} (F1 {winner.metrics['cv_f1_mean']:.4f}), is no better than"
            f" the baseline {BASELINE.name} (F1 {baseline.metrics['cv_f1_mean']:.4f}); nothing is registered"
        )
    return Choice(
        winner,
        f"{winner.candidate.name} won: of {len(evaluations)} candidates, {_names(accurate)} had a cross-validated F1 of"
        f" {least_f1:.4f} or more, one standard error below the best ({best.candidate.name},"
        f" {best.metrics['cv_f1_mean']:.4f}); of these, {_names(equals)} had a Brier score of {most_brier:.4f} or less,"
        f" one standard error above the best ({sharpest.candidate.name}, {sharpest.metrics['cv_brier_mean']:.4f}); of"
        f" these it is the simplest, or of the simplest the one with the best Brier score.",
    )


def _standard_error(evaluation: Evaluation, metric: str) -> float:
    return float(evaluation.metrics[f"cv_{metric}_std"] / np.sqrt(FOLDS))


def _names(evaluations: Sequence[Evaluation]) -> str:
    return " and ".join(evaluation.candidate.name for evaluation in evaluations)
