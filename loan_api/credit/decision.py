"""The model's prediction, and what is decided: without a policy, the same."""

from typing import Literal, get_args

APPROVED = 1
REJECTED = 0
DEFAULT_THRESHOLD = 0.5

Decision = Literal["approve", "refer", "decline"]
# In columns, a decision is its position here.
DECISIONS: tuple[Decision, ...] = get_args(Decision)
APPROVE, REFER, DECLINE = range(3)


def decide(probability: float, threshold: float) -> int:
    """Return `APPROVED` if the approval probability reaches the threshold, else `REJECTED`."""
    return APPROVED if probability >= threshold else REJECTED


def decision_of(prediction: int) -> Decision:
    """Return the decision without a policy."""
    return "approve" if prediction == APPROVED else "decline"
