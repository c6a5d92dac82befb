"""Drift of the decisions since the server's start from the reference distribution of the served model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from loan_api.credit.drift import noise_level, population_stability_index
from loan_api.credit.reference import Histogram
from loan_api.scoring.watched import CountLayout
from loan_api.services.model_registry import ModelRegistry

# The limits of the alerts, which measure the last hour and the last day.
_MUCH = 0.25
_LITTLE = 0.1
_FEWEST = 500

DriftState = Literal["too_few", "stable", "noticeable", "drifted"]


class Counted(Protocol):
    """The counts of one model version in one worker, laid out as `layout` describes."""

    @property
    def model_version(self) -> str:
        """The semantic version."""

    @property
    def layout(self) -> CountLayout:
        """The layout of the numbers."""

    @property
    def numbers(self) -> Any:
        """The counts, as a sequence of numbers."""


@dataclass(frozen=True)
class BinShares:
    """The expected and the actual share of values in a bin."""

    label: str
    expected: float
    actual: float


@dataclass(frozen=True)
class Drift:
    """The distance of a distribution from its reference, and its noise level.

    `name` is None for the approval probability.
    """

    name: str | None
    values: int
    psi: float
    noise: float
    bins: Sequence[BinShares]

    @property
    def state(self) -> DriftState:
        """Return how much it has drifted; distances within the noise level mean nothing."""
        if self.values < _FEWEST:
            return "too_few"
        if self.psi <= max(self.noise, _LITTLE):
            return "stable"
        return "drifted" if self.psi > _MUCH else "noticeable"


@dataclass(frozen=True)
class DriftReport:
    """The drift of the probabilities and of every feature, with the number of decisions and of reference rows."""

    decisions: int
    reference: int
    score: Drift
    features: Sequence[Drift]


class DriftService:
    """Compares what all workers have counted with the reference of the served model."""

    def __init__(self, registry: ModelRegistry, counted: Callable[[], Iterable[Counted]]) -> None:
        self._registry = registry
        self._counted = counted

    def report(self) -> DriftReport | None:
        """Return the drift of the served model's decisions; None before the first. Raises NoModelError."""
        model = self._registry.current
        layout, total = model.watched, np.zeros(model.watched.size)
        for counted in self._counted():
            # A version that was registered again under its number may have other bins.
            is_same = counted.model_version == model.version.semantic_version
            if is_same and counted.layout.reference == layout.reference:
                total += np.asarray(counted.numbers)
        counts, reference = layout.named(total), layout.reference
        decisions = int(sum(counts.score.values()))
        if not decisions:
            return None
        return DriftReport(
            decisions=decisions,
            reference=reference.applications,
            score=_drift(None, reference.score, counts.score),
            features=[_drift(name, histogram, counts.features[name]) for name, histogram in reference.features.items()],
        )


def _drift(name: str | None, reference: Histogram, counts: Mapping[str, float]) -> Drift:
    actual = list(counts.values())
    values = sum(actual)
    return Drift(
        name=name,
        values=int(values),
        psi=population_stability_index(reference.counts, actual),
        noise=noise_level(reference.counts, actual),
        bins=[
            BinShares(label, share, count / values)
            for (label, share), count in zip(reference.shares.items(), actual, strict=True)
            if share or count
        ],
    )
