"""The decision rule: approve from a threshold of the probability upward."""

APPROVED = 1
REJECTED = 0
DEFAULT_THRESHOLD = 0.5


def decide(probability: float, threshold: float) -> int:
    """Return `APPROVED` if the approval probability reaches the threshold, else `REJECTED`."""
    return APPROVED if probability >= threshold else REJECTED
