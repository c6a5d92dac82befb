"""The choice of the winner. Cross-validation alone decides; the holdout plays no part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.data.split import FOLDS
from training.errors import NoWinnerError
from training.selection.candidates import BASELINE
from training.selection.evaluation import Evaluation


@dataclass(frozen=True)
class Choice:
    """The winner, and the reason in a sentence."""

    winner: Evaluation
    reason: str


def choose(evaluations: Sequence[Evaluation], baseline: Evaluation) -> Choice:
    """Choose the winner by the one-standard-error rule (Breiman et al., CART, 1984), applied twice.

    Candidates that beat the baseline's mean F1 and lie within one standard error of the best F1 stay in. Of these, the
    ones within one standard error of the best Brier score count as equally good. The simplest of them wins; between
    equally simple ones the better Brier score decides. Raises NoWinnerError if no candidate beats the baseline.
    """
    best = max(evaluations, key=lambda e: e.metrics["cv_f1_mean"])
    to_beat = baseline.metrics["cv_f1_mean"]
    if best.metrics["cv_f1_mean"] <= to_beat:
        raise NoWinnerError(
            f"the best candidate, {best.candidate.name} (F1 {best.metrics['cv_f1_mean']:.4f}), is no better than"
            f" the baseline {BASELINE.name} (F1 {to_beat:.4f}); nothing is registered"
        )
    least_f1 = best.metrics["cv_f1_mean"] - _standard_error(best, "f1")
    accurate = [e for e in evaluations if e.metrics["cv_f1_mean"] >= least_f1 and e.metrics["cv_f1_mean"] > to_beat]
    sharpest = min(accurate, key=lambda e: e.metrics["cv_brier_mean"])
    most_brier = sharpest.metrics["cv_brier_mean"] + _standard_error(sharpest, "brier")
    equals = [e for e in accurate if e.metrics["cv_brier_mean"] <= most_brier]
    winner = min(equals, key=lambda e: (e.candidate.complexity, e.metrics["cv_brier_mean"]))
    return Choice(
        winner,
        f"{winner.candidate.name} wins. Within one standard error of the best cross-validated F1"
        f" ({best.metrics['cv_f1_mean']:.4f}, {best.candidate.name}): {_names(accurate)}. Of these, within one standard"
        f" error of the best Brier score ({sharpest.metrics['cv_brier_mean']:.4f}, {sharpest.candidate.name}):"
        f" {_names(equals)}. {_tie_break(winner, equals)}",
    )


def _tie_break(winner: Evaluation, equals: Sequence[Evaluation]) -> str:
    as_simple = [e for e in equals if e.candidate.complexity == winner.candidate.complexity]
    if len(equals) == 1:
        return "It is the only one."
    if len(as_simple) == 1:
        return "It is the simplest."
    return f"It has the best Brier score of the simplest, {_names(as_simple)}."


def _standard_error(evaluation: Evaluation, metric: str) -> float:
    return float(evaluation.metrics[f"cv_{metric}_std"] / np.sqrt(FOLDS))


def _names(evaluations: Sequence[Evaluation]) -> str:
    return ", ".join(evaluation.candidate.name for evaluation in evaluations)
