"""Invented applications that identify a model without carrying any applicant's data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.features import CategoryFeature, Feature, NumberFeature
from loan_api.credit.form import Form
from loan_api.credit.reference import Edges

_GOLDEN_ROWS = 64
_PROBE_ROWS = 4000
_MISSING_SHARE = 0.1
_SEED = 20240313


def golden_applications(form: Form, edges: Edges) -> list[dict[str, Any]]:
    """Return the documented example, both ends of all ranges, and random rows within the bins. Deterministic."""
    lowest: dict[str, Any] = {feature.name: _end(feature, lowest=True) for feature in form.features}
    highest: dict[str, Any] = {feature.name: _end(feature, lowest=False) for feature in form.features}
    return [form.example(), lowest, highest, *_random_applications(form, edges, _GOLDEN_ROWS - 3, _SEED)]


def probe_applications(form: Form, edges: Edges) -> list[dict[str, Any]]:
    """Return several thousand random applications to distinguish models by behaviour. Deterministic."""
    return _random_applications(form, edges, _PROBE_ROWS, _SEED + 1)


def _random_applications(form: Form, edges: Edges, rows: int, seed: int) -> list[dict[str, Any]]:
    # The streams of RandomState are frozen (NEP 19).
    random = np.random.RandomState(seed)
    columns = {feature.name: _random_values(feature, edges, rows, random) for feature in form.features}
    for feature in form.features:
        if feature.optional:
            absent = random.random_sample(rows) < _MISSING_SHARE
            values = columns[feature.name]
            columns[feature.name] = [None if gone else value for gone, value in zip(absent, values, strict=True)]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _random_values(feature: Feature, edges: Edges, rows: int, random: np.random.RandomState) -> list[Any]:
    """Draw a bin, then a number within the bin and the feature's range, which is whole if all edges are."""
    if isinstance(feature, CategoryFeature):
        return [feature.values[place] for place in random.randint(0, len(feature.values), rows)]
    bounds: NDArray[np.float64] = np.array(edges[feature.name])
    bins = random.randint(0, len(bounds) - 1, rows)
    steps = random.random_sample(rows) * (bounds[bins + 1] - bounds[bins])
    if not feature.whole and (bounds != np.floor(bounds)).any():
        fractions: list[float] = np.clip(bounds[bins] + steps, feature.minimum, feature.maximum).tolist()
        return fractions
    values = np.clip(bounds[bins] + np.floor(steps), feature.minimum, feature.maximum)
    return [int(value) if value == int(value) else value for value in values.tolist()]


def _end(feature: Feature, *, lowest: bool) -> float | str:
    if isinstance(feature, NumberFeature):
        return feature.minimum if lowest else feature.maximum
    return feature.values[0 if lowest else -1]
