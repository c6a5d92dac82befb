"""Invented applications that identify a model without carrying any applicant's data."""

from typing import Any

import numpy as np

from loan_api.credit.features import FEATURES, CategoryFeature, Feature, NumberFeature, example_application

_GOLDEN_ROWS = 64
_PROBE_ROWS = 4000
_SEED = 20240313


def golden_applications() -> list[dict[str, Any]]:
    """Return the documented example, both ends of all ranges, and random rows within the bins. Deterministic."""
    lowest: dict[str, Any] = {feature.name: _end(feature, lowest=True) for feature in FEATURES}
    highest: dict[str, Any] = {feature.name: _end(feature, lowest=False) for feature in FEATURES}
    return [example_application(), lowest, highest, *_random_applications(_GOLDEN_ROWS - 3, _SEED)]


def probe_applications() -> list[dict[str, Any]]:
    """Return several thousand random applications to distinguish models by behaviour. Deterministic."""
    return _random_applications(_PROBE_ROWS, _SEED + 1)


def _random_applications(rows: int, seed: int) -> list[dict[str, Any]]:
    # The streams of RandomState are frozen (NEP 19).
    random = np.random.RandomState(seed)
    columns = {feature.name: _random_values(feature, rows, random) for feature in FEATURES}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _random_values(feature: Feature, rows: int, random: np.random.RandomState) -> list[Any]:
    """Draw a bin, then a whole number within the bin and the feature's range."""
    if isinstance(feature, CategoryFeature):
        return [feature.values[place] for place in random.randint(0, len(feature.values), rows)]
    edges = np.array(feature.bins)
    bins = random.randint(0, len(edges) - 1, rows)
    values = edges[bins] + np.floor(random.random_sample(rows) * (edges[bins + 1] - edges[bins]))
    whole: list[int] = np.clip(values, feature.minimum, feature.maximum).astype("int64").tolist()
    return whole


def _end(feature: Feature, *, lowest: bool) -> int | str:
    if isinstance(feature, NumberFeature):
        return feature.minimum if lowest else feature.maximum
    return feature.values[0 if lowest else -1]
