"""The distance between two distributions."""

import numpy as np
from numpy.typing import ArrayLike

# An empty bin would make the logarithm infinite; a small floor is the common remedy.
SMALLEST_SHARE = 1e-4


def population_stability_index(expected: ArrayLike, actual: ArrayLike) -> float:
    """Compute the PSI of two histograms over the same bins (counts or shares): Σ (a − e) · ln(a / e).

    Shares are floored at 0.0001. Identical distributions yield 0; by the industry's rule of thumb (Siddiqi, Credit
    Risk Scorecards, 2006), below 0.1 little has changed and above 0.25 much has. Raises ValueError if a histogram is
    empty or the bins differ.
    """
    shares = []
    for histogram in (expected, actual):
        counts = np.asarray(histogram, dtype="float64")
        total = counts.sum()
        if total <= 0:
            raise ValueError("an empty histogram has no shares")
        shares.append(np.maximum(counts / total, SMALLEST_SHARE))
    e, a = shares
    if e.shape != a.shape:
        raise ValueError("the histograms have different bins")
    return float(np.sum((a - e) * np.log(a / e)))
