"""What-if: the smallest changes of an application that would lead to approval, found by scoring."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.features import CategoryFeature, Feature, NumberFeature
from loan_api.credit.form import Form
from loan_api.credit.reference import ReferenceDistribution
from loan_api.scoring.columns import Application, Columns, columns_of
from loan_api.scoring.scorer import Scorer

# Numbers are tried in steps of 1, 2 or 5 times a power of ten, about this many over their range in the training data.
_FINE_STEPS = 400
# Pairs are searched coarsely first: 60 steps of two features are 3,600 applications.
_COARSE_STEPS = 60

# Returns which of n applications with these probabilities would be approved (n booleans).
Approves = Callable[[Columns, NDArray[np.float64]], NDArray[np.bool_]]


@dataclass(frozen=True)
class Change:
    """The change of one feature from its value in the application, and the resulting probability."""

    feature: str
    old: Any
    new: Any
    probability: float


@dataclass(frozen=True)
class WhatIf:
    """Changes that would each reverse the decision or, if `together`, a pair needed at once. May be empty."""

    changes: Sequence[Change]
    together: bool = False


class WhatIfSearch:
    """Searches the features that an applicant can change, within the values that occur in the training data."""

    def __init__(self, form: Form, scorer: Scorer, reference: ReferenceDistribution) -> None:
        self._form = form
        self._scorer = scorer
        self._axes = [_Axis(feature, reference) for feature in form.features if feature.actionable]

    def search(self, application: Application, approves: Approves) -> WhatIf:
        """Return the smallest change of each feature that reverses the decision, or else the smallest pair.

        A change is measured as a share of the feature's range; all changes of a category have the same size. Among
        changes of the same size, the one with the highest probability is chosen.
        """
        singles = [
            found
            for axis in self._axes
            if (found := self._smallest(application, [axis], [axis.values(application, _FINE_STEPS)], approves))
        ]
        if singles:
            return WhatIf([change for found in singles for change in found.changes])
        pairs = [
            found
            for pair in combinations(self._axes, 2)
            if (found := self._smallest_pair(application, pair, approves)) is not None
        ]
        if not pairs:
            return WhatIf([])
        return WhatIf(min(pairs, key=lambda found: (found.size, -found.probability)).changes, together=True)

    def _smallest_pair(self, application: Application, axes: Sequence["_Axis"], approves: Approves) -> "_Found | None":
        coarse = [axis.values(application, _COARSE_STEPS) for axis in axes]
        found = self._smallest(application, axes, coarse, approves)
        if found is None:
            return None
        fine = [
            [*axis.between(application, change.new), change.new]
            for axis, change in zip(axes, found.changes, strict=True)
        ]
        return self._smallest(application, axes, fine, approves) or found

    def _smallest(
        self, application: Application, axes: Sequence["_Axis"], values: Sequence[Sequence[Any]], approves: Approves
    ) -> "_Found | None":
        """Return the smallest change of these features to these values that reverses the decision."""
        grid = np.array([len(tried) for tried in values])
        count = int(grid.prod())
        if not count:
            return None
        places = np.unravel_index(np.arange(count), tuple(grid))
        columns = {name: np.repeat(column, count) for name, column in columns_of(self._form, [application]).items()}
        sizes = np.zeros(count)
        for axis, tried, place in zip(axes, values, places, strict=True):
            columns[axis.name] = axis.column(self._form, tried)[place]
            sizes += np.array([axis.size(application, value) for value in tried])[place]
        probabilities = self._scorer.probabilities(columns)
        reversing = np.flatnonzero(approves(columns, probabilities))
        for row in sorted(reversing, key=lambda row: (sizes[row], -probabilities[row])):
            picked = [tried[place[row]] for tried, place in zip(values, places, strict=True)]
            changed = {**application, **{axis.name: value for axis, value in zip(axes, picked, strict=True)}}
            # The service would score the application alone, which may round differently.
            probability = self._scorer.probability(changed)
            if approves(columns_of(self._form, [changed]), np.array([probability]))[0]:
                changes = [
                    Change(axis.name, application[axis.name], value, probability)
                    for axis, value in zip(axes, picked, strict=True)
                ]
                return _Found(changes, float(sizes[row]), probability)
        return None


@dataclass(frozen=True)
class _Found:
    changes: Sequence[Change]
    size: float
    probability: float


class _Axis:
    """The values of one feature that may be tried."""

    def __init__(self, feature: Feature, reference: ReferenceDistribution) -> None:
        self.name = feature.name
        self._feature = feature
        histogram = reference.features[feature.name]
        self._low, self._high = reference.ranges.get(feature.name, (0.0, 0.0))
        self._seen: list[Any] = []
        if isinstance(feature, CategoryFeature):
            counts = dict(zip(histogram.bins.labels, histogram.counts, strict=True))
            self._seen = [value for value in feature.trained_values if counts[value]]

    def values(self, application: Application, steps: int) -> list[Any]:
        """Return the values to try, other than the application's own; numbers in about `steps` round steps."""
        own = application[self.name]
        if isinstance(self._feature, CategoryFeature):
            return [value for value in self._seen if value != own]
        return [value for value in self._numbers(self._feature, self._low, self._high, steps) if value != own]

    def between(self, application: Application, value: Any) -> list[Any]:
        """Return the values within a coarse step of `value`, towards the application's own, in fine steps."""
        own = application[self.name]
        if own is None or not isinstance(self._feature, NumberFeature):
            return []
        fine = self._numbers(self._feature, self._low, self._high, _FINE_STEPS)
        step = readable_step(self._high - self._low, _COARSE_STEPS)
        return [v for v in fine if v != own and abs(v - value) <= step and abs(v - own) < abs(value - own)]

    def size(self, application: Application, value: Any) -> float:
        """Return the size of a change to that value: a share of the range, 1 between categories or from missing."""
        own = application[self.name]
        if own is None or isinstance(self._feature, CategoryFeature):
            return 1.0
        return float(abs(value - own) / ((self._high - self._low) or 1.0))

    def column(self, form: Form, values: Sequence[Any]) -> NDArray[Any]:
        """Return the values as a column of the batch format."""
        if isinstance(self._feature, CategoryFeature):
            codes = form.codes[self.name]
            return np.array([codes[value] for value in values], dtype=np.int8)
        return np.array(values, dtype=np.float64)

    @staticmethod
    def _numbers(feature: NumberFeature, low: float, high: float, steps: int) -> list[float]:
        low, high = max(low, feature.minimum), min(high, feature.maximum)
        step = readable_step(high - low, steps)
        if feature.whole:
            step = max(step, 1.0)
        return list(_multiples(low, high, step, whole=feature.whole))


def readable_step(span: float, steps: int) -> float:
    """Return the smallest of 1, 2 or 5 times a power of ten that divides the span into at most that many steps."""
    if span <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(span / steps))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * steps >= span * (1 - 1e-12))


def _multiples(low: float, high: float, step: float, *, whole: bool) -> Iterator[float]:
    """Iterate over the multiples of a step from `low` to `high`."""
    for multiple in range(math.ceil(low / step), math.floor(high / step) + 1):
        # A step below 1 is a decimal fraction; the multiple is rounded to its decimals.
        value = multiple * step if step >= 1 else round(multiple * step, -math.floor(math.log10(step)))
        yield int(value) if whole or value == int(value) else value
