"""From a probability to a decision."""

APPROVED = 1
REJECTED = 0
DEFAULT_THRESHOLD = 0.5


def decide(probability: float, threshold: float) -> int:
    """`APPROVED` where P(approved) reaches the threshold, else `REJECTED`."""
    return APPROVED if probability >= threshold else REJECTED
