"""Bins of a distribution. Every value falls into exactly one."""

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

_DECILES = np.linspace(0, 1, 11)

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class NumberBins:
    """Intervals between `edges`, plus one bin each for missing (NaN), smaller and larger values.

    As usual in statistics, intervals include their lower edge but not the upper; the last includes both.
    """

    edges: tuple[float, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the names of the bins, in the order of the counts."""
        *intervals, last = (f"[{low:.15g}, {high:.15g}" for low, high in pairwise(self.edges))
        return (MISSING, BELOW, *(f"{interval})" for interval in intervals), f"{last}]", ABOVE)

    def position(self, value: Any) -> int:
        """Return the index of the bin of a number or None."""
        if value is None or value != value:  # noqa: PLR0124  # only NaN; faster than math.isnan
            return 0
        return 1 + bisect_right(self.edges, value) - int(value == self.edges[-1])

    def count(self, values: Sequence[Any] | NDArray[Any]) -> Counts:
        """Count the values (n numbers) in each bin."""
        numbers = np.asarray(values, dtype="float64")
        *edges, last = self.edges
        # Comparing all values with each edge is several times faster than searchsorted. NaN compares as False.
        below = [np.count_nonzero(numbers < edge) for edge in edges]
        missing = np.count_nonzero(np.isnan(numbers))
        return np.diff([-missing, 0, *below, np.count_nonzero(numbers <= last), numbers.size - missing])


@dataclass(frozen=True)
class CategoryBins:
    """One bin per value, plus one each for missing and for unseen values."""

    values: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the names of the bins, in the order of the counts."""
        return (MISSING, UNSEEN, *self.values)

    def position(self, value: Any) -> int:
        """Return the index of the bin of a text or None."""
        if value is None:
            return 0
        return 2 + self.values.index(value) if value in self.values else 1

    def count(self, values: Sequence[Any] | NDArray[Any]) -> Counts:
        """Count the values (n texts or None) in each bin."""
        return np.bincount([self.position(value) for value in values], minlength=len(self.labels))


Bins = NumberBins | CategoryBins

# The approval probability in tenths.
SCORE_BINS = NumberBins((0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0))


def bins_of(feature: Feature, values: Sequence[Any] | NDArray[Any]) -> Bins:
    """Return the bins of a feature: the declared edges, the deciles of `values` (n), or a category's trained values."""
    if isinstance(feature, CategoryFeature):
        return CategoryBins(feature.trained_values)
    if feature.bins is not None:
        return NumberBins(feature.bins)
    numbers = np.asarray(values, dtype="float64")
    known = numbers[~np.isnan(numbers)]
    edges = np.unique(np.quantile(known, _DECILES)).tolist() if known.size else [feature.minimum, feature.maximum]
    # A constant has one bin of any width.
    return NumberBins(tuple(edges) if len(edges) > 1 else (edges[0], edges[0] + 1))
