"""How far two distributions lie apart."""

import numpy as np
from numpy.typing import ArrayLike

# A share of nothing would make the logarithm infinite; the common remedy is a small floor.
SMALLEST_SHARE = 1e-4


def population_stability_index(expected: ArrayLike, actual: ArrayLike) -> float:
    """PSI of two histograms over the same bins (counts or shares): Σ (a − e) · ln(a / e), shares floored at 0.0001.

    0 where they agree; by the industry's rule of thumb (Siddiqi, Credit Risk Scorecards, 2006) below 0.1 little has
    changed and above 0.25 much has. Raises ValueError where one is empty or they have different bins.
    """
    shares = []
    for histogram in (expected, actual):
        counts = np.asarray(histogram, dtype="float64")
        total = counts.sum()
        if total <= 0:
            raise ValueError("a histogram without a value has no shares")
        shares.append(np.maximum(counts / total, SMALLEST_SHARE))
    e, a = shares
    if e.shape != a.shape:
        raise ValueError("the histograms have different bins")
    return float(np.sum((a - e) * np.log(a / e)))
