"""Counting of decisions in the bins of a model's reference distribution, with their expected outcomes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.bins import Bins, CategoryBins
from loan_api.credit.form import Form
from loan_api.credit.reference import Histogram, ReferenceDistribution
from loan_api.scoring.columns import Application, Columns, row_count

# (predicted, actual), as in `loan_api.credit.decision`.
CONFUSION = ((0, 0), (0, 1), (1, 0), (1, 1))

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class _Watched:
    """A histogram of the reference and the offset of its bins in the vector of counts."""

    name: str
    histogram: Histogram
    start: int

    @property
    def bins(self) -> Bins:
        return self.histogram.bins


class CountLayout:
    """The layout of the counts over a reference distribution.

    All counts form one vector (`size`), so that counts are simply added: the bins of each feature in declared order,
    the bins of the score, and four expected outcomes (see `CONFUSION`), the only fractional entries.
    """

    def __init__(self, reference: ReferenceDistribution) -> None:
        self.reference = reference
        histograms = [*reference.features.items(), ("", reference.score)]
        sizes = [len(histogram.bins.labels) for _, histogram in histograms]
        starts = [0, *accumulate(sizes)]
        self._expected = starts.pop()
        self._features = [
            _Watched(name, histogram, start) for (name, histogram), start in zip(histograms, starts, strict=True)
        ]
        self._score = self._features.pop()
        self.size = self._expected + len(CONFUSION)

    def named(self, counts: Sequence[float] | Counts) -> "NamedCounts":
        """Label the entries of the vector."""
        return NamedCounts(
            features={watched.name: _by_bin(watched, counts) for watched in self._features},
            score=_by_bin(self._score, counts),
            expected=dict(zip(CONFUSION, map(float, counts[self._expected : self.size]), strict=True)),
        )


class WatchedDistribution(CountLayout):
    """Counts decisions in the bins of every feature and of the score, and sums their expected confusion matrix."""

    def __init__(self, form: Form, reference: ReferenceDistribution) -> None:
        super().__init__(reference)
        self._find: list[tuple[str, Callable[[Any], int], int]] = [
            (watched.name, watched.bins.position, watched.start) for watched in self._features
        ]
        self._trained = [
            (name, bool(histogram.counts[0]), reference.ranges.get(name), _seen(histogram))
            for name, histogram in reference.features.items()
        ]
        self._places = {
            # The last entry is for missing values, whose code is -1.
            category.name: np.array(
                [reference.features[category.name].bins.position(value) for value in (*category.values, None)]
            )
            for category in form.categories
        }

    def places(self, application: Application, probability: float) -> list[int]:
        """Return the positions in the vector that one decision increments."""
        places = [start + position(application[name]) for name, position, start in self._find]
        places.append(self._score.start + self._score.bins.position(probability))
        return places

    def outside(self, application: Application) -> list[str]:
        """Return the features whose value, or lack of one, lies outside the training data, in declared order."""
        outside = []
        for name, misses, limits, seen in self._trained:
            value = application[name]
            if value is None:
                is_inside = misses
            else:
                is_inside = value in seen if limits is None else limits[0] <= value <= limits[1]
            if not is_inside:
                outside.append(name)
        return outside

    def expected(self, prediction: int, probability: float) -> tuple[int, float, float]:
        """Return a decision's index in the expected outcomes, and the amounts to add there and at the next."""
        return self._expected + 2 * prediction, 1 - probability, probability

    def counts(self, applications: Columns, probabilities: NDArray[Any], predictions: NDArray[Any]) -> Counts:
        """Return the vector of counts for n decisions."""
        counts = np.zeros(self.size)
        for watched in self._features:
            values = applications[watched.name]
            size = len(watched.bins.labels)
            if isinstance(watched.bins, CategoryBins):
                found = np.bincount(self._places[watched.name][values], minlength=size)
            else:
                found = watched.bins.count(values)
            counts[watched.start : watched.start + size] = found
        counts[self._score.start : self._expected] = self._score.bins.count(probabilities)
        approvals = float(probabilities.sum())
        approved = int(predictions.sum())
        approvals_of_approved = float(probabilities @ predictions)
        approvals_of_rejected = approvals - approvals_of_approved
        counts[self._expected :] = (
            row_count(applications) - approved - approvals_of_rejected,
            approvals_of_rejected,
            approved - approvals_of_approved,
            approvals_of_approved,
        )
        return counts


@dataclass(frozen=True)
class NamedCounts:
    """Counts by feature and bin, of the score by bin, and of expected outcomes by (predicted, actual)."""

    features: Mapping[str, Mapping[str, float]]
    score: Mapping[str, float]
    expected: Mapping[tuple[int, int], float]


def _seen(histogram: Histogram) -> frozenset[str]:
    """Return the bins that the training data fills: for a category, its values in the data."""
    return frozenset(label for label, count in zip(histogram.bins.labels, histogram.counts, strict=True) if count)


def _by_bin(watched: _Watched, counts: Sequence[float] | Counts) -> dict[str, float]:
    labels = watched.bins.labels
    return dict(zip(labels, map(float, counts[watched.start : watched.start + len(labels)]), strict=True))
