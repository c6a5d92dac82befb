"""The distance between two distributions, and the distance that chance alone explains."""

import math

import numpy as np
from numpy.typing import ArrayLike

# An empty bin would make the logarithm infinite; a small floor is the common remedy.
SMALLEST_SHARE = 1e-4
# The 99.9% quantile of the normal distribution.
_Z = 3.0902


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


def noise_level(expected: ArrayLike, actual: ArrayLike) -> float:
    """Compute the PSI that chance alone exceeds once in a thousand times; 0 for a single bin.

    Both histograms hold counts. Without drift, PSI is approximately chi-square with B − 1 degrees of freedom, scaled by
    1/N + 1/M, for B non-empty bins of the expected one; Wilson and Hilferty (1931) approximate its quantile. Recording
    rules in prometheus/rules/reference.yml compute the same.
    """
    e, a = np.asarray(expected, dtype="float64"), np.asarray(actual, dtype="float64")
    freedom = np.count_nonzero(e) - 1
    if freedom < 1 or a.sum() <= 0:
        return 0.0
    chi_square = freedom * (1 - 2 / (9 * freedom) + _Z * math.sqrt(2 / (9 * freedom))) ** 3
    return float(chi_square * (1 / e.sum() + 1 / a.sum()))
