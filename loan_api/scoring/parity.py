"""Whether two scorers agree: probabilities as good as equal, and not one decision different."""

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-6


def disagreement(
    expected: NDArray[np.float64], actual: NDArray[np.float64], threshold: float, tolerance: float = TOLERANCE
) -> str | None:
    """How the n probabilities of one scorer differ from those of another; None where they agree."""
    if expected.shape != actual.shape:
        return f"{actual.shape} probabilities where {expected.shape} were expected"
    deviation = float(np.max(np.abs(expected - actual), initial=0.0))
    # Not `deviation > tolerance`, which NaN would pass.
    if not deviation <= tolerance:
        return f"probabilities are off by up to {deviation:.2g}, {tolerance:g} is allowed"
    different = int(np.count_nonzero((expected >= threshold) != (actual >= threshold)))
    if different:
        return f"{different} of {len(expected)} decisions differ"
    return None
