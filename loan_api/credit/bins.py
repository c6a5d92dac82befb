"""The bins that distributions are counted in: every value falls into exactly one."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.features import CategoryFeature, Feature

MISSING = "missing"
BELOW = "below"
ABOVE = "above"
UNSEEN = "unseen"

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class NumberBins:
    """Intervals between `edges`, and a bin each for what is missing (NaN), below and above them.

    As everywhere in statistics, an interval has its lower edge and not its upper one, and the last has both.
    """

    edges: tuple[float, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The bins' names, in the order of the counts."""
        *intervals, last = (f"[{low:.15g}, {high:.15g}" for low, high in pairwise(self.edges))
        return (MISSING, BELOW, *(f"{interval})" for interval in intervals), f"{last}]", ABOVE)

    def position(self, value: Any) -> int:
        """Which of the bins the number (or None) falls into."""
        if value is None or value != value:  # noqa: PLR0124  # NaN, and quicker than asking a library
            return 0
        return 1 + bisect_right(self.edges, value) - int(value == self.edges[-1])

    def count(self, values: Sequence[Any] | NDArray[Any]) -> Counts:
        """How many of `values` (n numbers) fall into each bin."""
        numbers = np.asarray(values, dtype="float64")
        *edges, last = self.edges
        # To compare all with each edge is several times as quick as to look for each one's place. NaN is below nothing.
        below = [np.count_nonzero(numbers < edge) for edge in edges]
        missing = np.count_nonzero(np.isnan(numbers))
        return np.diff([-missing, 0, *below, np.count_nonzero(numbers <= last), numbers.size - missing])


@dataclass(frozen=True)
class CategoryBins:
    """A bin for each of `values`, and one each for what is missing and for what training never saw."""

    values: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The bins' names, in the order of the counts."""
        return (MISSING, UNSEEN, *self.values)

    def position(self, value: Any) -> int:
        """Which of the bins the text (or None) falls into."""
        if value is None:
            return 0
        return 2 + self.values.index(value) if value in self.values else 1

    def count(self, values: Sequence[Any] | NDArray[Any]) -> Counts:
        """How many of `values` (n texts or None) fall into each bin."""
        return np.bincount([self.position(value) for value in values], minlength=len(self.labels))


Bins = NumberBins | CategoryBins

# P(approved), by tenths.
SCORE_BINS = NumberBins((0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0))


def bins_of(feature: Feature) -> Bins:
    """The bins that `feature` declares; a category's are the values that the training data knows."""
    if isinstance(feature, CategoryFeature):
        return CategoryBins(feature.trained_values)
    return NumberBins(feature.bins)
