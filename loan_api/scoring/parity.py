"""Comparison of two scorers: probabilities must agree within a tolerance, decisions exactly."""

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-6


def disagreement(
    expected: NDArray[np.float64], actual: NDArray[np.float64], threshold: float, tolerance: float = TOLERANCE
) -> str | None:
    """Describe how two arrays of n probabilities differ, or return None if they agree."""
    if expected.shape != actual.shape:
        return f"{actual.shape} probabilities instead of {expected.shape}"
    deviation = float(np.max(np.abs(expected - actual), initial=0.0))
    # `deviation > tolerance` would let NaN pass.
    if not deviation <= tolerance:
        return f"probabilities are off by up to {deviation:.2g}, {tolerance:g} is allowed"
    different = int(np.count_nonzero((expected >= threshold) != (actual >= threshold)))
    if different:
        return f"{different} of {len(expected)} decisions differ"
    return None
