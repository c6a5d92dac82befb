"""The reference distribution: histograms of features and scores at training time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import NDArray

from loan_api.credit.bins import SCORE_BINS, Bins, CategoryBins, NumberBins, bins_of
from loan_api.credit.form import Form

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Histogram:
    """Bins and the number of values in each."""

    bins: Bins
    counts: tuple[int, ...]

    @classmethod
    def of(cls, bins: Bins, values: Any) -> Self:
        """Count `values` in `bins`."""
        return cls(bins, tuple(bins.count(values).tolist()))

    @property
    def shares(self) -> dict[str, float]:
        """Return the share of each bin by label. The shares sum to 1."""
        total = sum(self.counts)
        return {label: count / total for label, count in zip(self.bins.labels, self.counts, strict=True)}

    def to_json(self) -> dict[str, Any]:
        """Return plain values: edges or values of the bins, and counts by label."""
        declared = {"edges": self.bins.edges} if isinstance(self.bins, NumberBins) else {"values": self.bins.values}
        kept: dict[str, Any] = {key: list(value) for key, value in declared.items()}
        return kept | {"counts": dict(zip(self.bins.labels, self.counts, strict=True))}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """Parse a histogram written by `to_json`. Raises KeyError if a part is missing."""
        bins = NumberBins(tuple(kept["edges"])) if "edges" in kept else CategoryBins(tuple(kept["values"]))
        return cls(bins, tuple(kept["counts"][label] for label in bins.labels))


@dataclass(frozen=True)
class ReferenceDistribution:
    """Histograms of every feature by name and of the score, the share of approvals, and the range of each number.

    Older models lack the share of approvals, and the ranges, in whose place the outermost edges of the bins stand.
    """

    features: Mapping[str, Histogram]
    score: Histogram
    approval_ratio: float | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, form: Form, applications: pd.DataFrame, probabilities: NDArray[Any], threshold: float) -> Self:
        """Build the distribution from n applications and the model's n out-of-sample probabilities for them."""
        approval_ratio = float((probabilities >= threshold).mean())
        numbers = {number.name: applications[number.name] for number in form.numbers}
        ranges = {name: (float(values.min()), float(values.max())) for name, values in numbers.items()}
        score = Histogram.of(SCORE_BINS, probabilities)
        return cls(feature_histograms(form, applications), score, approval_ratio, ranges)

    @property
    def applications(self) -> int:
        """Return the number of applications counted."""
        return sum(self.score.counts)

    def to_json(self) -> dict[str, Any]:
        """Return the distribution as plain values."""
        return {
            "features": {name: histogram.to_json() for name, histogram in self.features.items()},
            "score": self.score.to_json(),
            "approval_ratio": self.approval_ratio,
            "ranges": {name: list(limits) for name, limits in self.ranges.items()},
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """Parse a distribution written by `to_json`. Raises KeyError if a part is missing."""
        features = {name: Histogram.from_json(histogram) for name, histogram in kept["features"].items()}
        limits = {name: (low, high) for name, (low, high) in kept.get("ranges", {}).items()}
        ranges = {name: (edges[0], edges[-1]) for name, edges in edges_of(features).items()} | limits
        return cls(features, Histogram.from_json(kept["score"]), kept.get("approval_ratio"), ranges)


# The edges of each number feature's bins, by its name.
Edges = Mapping[str, tuple[float, ...]]


def edges_of(histograms: Mapping[str, Histogram]) -> Edges:
    """Return the edges of the bins of numbers."""
    return {name: each.bins.edges for name, each in histograms.items() if isinstance(each.bins, NumberBins)}


def feature_histograms(form: Form, applications: pd.DataFrame) -> dict[str, Histogram]:
    """Return the histogram of every feature over its bins, by feature name."""
    columns = [(feature, applications[feature.name]) for feature in form.features]
    return {feature.name: Histogram.of(bins_of(feature, values.to_numpy()), values) for feature, values in columns}
