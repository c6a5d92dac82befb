"""The model's prediction and the decision. Without a policy, the decision follows from the prediction."""

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

APPROVED = 1
REJECTED = 0
DEFAULT_THRESHOLD = 0.5

Decision = Literal["approve", "refer", "decline"]
# In columns, a decision is its position here.
DECISIONS: tuple[Decision, ...] = get_args(Decision)
APPROVE, REFER, DECLINE = range(3)


class Verdict(NamedTuple):
    """A decision and the code of the rule that made it; None if the probability decided."""

    decision: Decision
    rule: str | None


def decide(probability: float, threshold: float) -> int:
    """Return `APPROVED` if the approval probability reaches the threshold, otherwise `REJECTED`."""
    return APPROVED if probability >= threshold else REJECTED


def verdict_of(prediction: int) -> Verdict:
    """Return the verdict on a prediction without a policy."""
    return Verdict("approve" if prediction == APPROVED else "decline", None)


def decisions_of(predictions: NDArray[Any]) -> NDArray[np.int8]:
    """Return the decisions without a policy (n), given the predictions (n)."""
    return np.where(predictions == APPROVED, APPROVE, DECLINE).astype(np.int8)
