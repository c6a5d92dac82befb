"""Reliability: the agreement of approval probabilities with the actual shares of approvals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from loan_api.credit.bins import SCORE_BINS

# The 97.5% quantile of the normal distribution.
_Z = 1.959964


@dataclass(frozen=True)
class ReliabilityBin:
    """Applications with similar probabilities: their number, mean probability, and share of actual approvals."""

    applications: int
    predicted: float
    observed: float

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95% interval of the share by Wilson's formula (1927)."""
        n, share = self.applications, self.observed
        centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
        return max(centre - half, 0.0), min(centre + half, 1.0)


@dataclass(frozen=True)
class Reliability:
    """The bins of a reliability diagram: tenths of the probability, without empty ones."""

    bins: Sequence[ReliabilityBin]

    @classmethod
    def of(cls, probabilities: ArrayLike, outcomes: ArrayLike) -> Self:
        """Compare n probabilities with n outcomes (1 approved, 0 rejected)."""
        expected, actual = np.asarray(probabilities, dtype="float64"), np.asarray(outcomes, dtype="float64")
        places = np.array([SCORE_BINS.position(value) for value in expected], dtype=int)
        return cls(
            [
                ReliabilityBin(int(found.sum()), float(expected[found].mean()), float(actual[found].mean()))
                for found in (places == place for place in range(len(SCORE_BINS.labels)))
                if found.any()
            ]
        )

    def to_json(self) -> dict[str, Any]:
        """Return the diagram as plain values."""
        return {
            "bins": [
                {"applications": each.applications, "predicted": each.predicted, "observed": each.observed}
                for each in self.bins
            ]
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """Parse a diagram written by `to_json`. Raises KeyError or TypeError if a part is missing or unknown."""
        return cls([ReliabilityBin(**each) for each in kept["bins"]])
