"""The choice of the winner. Cross-validation alone decides; the holdout plays no part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.errors import NoWinnerError
from training.selection.candidates import BASELINE
from training.selection.evaluation import Evaluation
from training.selection.metrics import Outcomes, log_losses


@dataclass(frozen=True)
class Choice:
    """The winner, and the reason in a sentence."""

    winner: Evaluation
    reason: str


def choose(evaluations: Sequence[Evaluation], baseline: Evaluation, outcomes: Outcomes) -> Choice:
    """Choose the winner by the one-standard-error rule (Breiman et al., CART, 1984) on the log loss.

    `outcomes` are those of the n training applications. A candidate is as good as the best one if its mean log loss is
    higher by at most one standard error of the paired difference. The simplest of them wins; between equally simple
    ones the lower log loss decides. Raises NoWinnerError if no candidate beats the baseline and follows the effects
    that the form declares.
    """
    following = [evaluation for evaluation in evaluations if not evaluation.violations]
    if not following:
        features = ", ".join(dict.fromkeys(name for evaluation in evaluations for name in evaluation.violations))
        raise NoWinnerError(f"no candidate follows the declared effects of {features}; nothing is registered")
    losses = {evaluation.candidate.name: log_losses(outcomes, evaluation.out_of_fold) for evaluation in following}
    means = {name: float(values.mean()) for name, values in losses.items()}
    best = min(following, key=lambda e: means[e.candidate.name]).candidate.name
    to_beat = float(log_losses(outcomes, baseline.out_of_fold).mean())
    if means[best] >= to_beat:
        raise NoWinnerError(
            f"the best candidate, {best} (log loss {means[best]:.4f}), is no better than the baseline {BASELINE.name}"
            f" (log loss {to_beat:.4f}); nothing is registered"
        )
    errors = {
        name: float(np.std(values - losses[best], ddof=1) / np.sqrt(len(outcomes))) for name, values in losses.items()
    }
    equals = [
        e
        for e in following
        if means[e.candidate.name] < to_beat and means[e.candidate.name] - means[best] <= errors[e.candidate.name]
    ]
    winner = min(equals, key=lambda e: (e.candidate.complexity, means[e.candidate.name]))
    return Choice(
        winner,
        f"{winner.candidate.name} wins. Within one standard error of the best cross-validated log loss"
        f" ({means[best]:.4f}, {best}): {_names(equals)}. {_tie_break(winner, equals)}",
    )


def _tie_break(winner: Evaluation, equals: Sequence[Evaluation]) -> str:
    as_simple = [e for e in equals if e.candidate.complexity == winner.candidate.complexity]
    if len(equals) == 1:
        return "It is the only one."
    if len(as_simple) == 1:
        return "It is the simplest."
    return f"It has the lowest log loss of the simplest, {_names(as_simple)}."


def _names(evaluations: Sequence[Evaluation]) -> str:
    return ", ".join(evaluation.candidate.name for evaluation in evaluations)
