"""Invented applications on which a compiled form must agree with its pipeline.

They lie where two computations could diverge: on split thresholds, at the ends of ranges and beyond.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.features import CategoryFeature
from loan_api.credit.form import Form
from loan_api.scoring.columns import Columns, row_count
from training.compilation.levers import derived_values, find_lever

# Just below, on and just above.
ROWS_PER_POINT = 3
SEED = 20240313
_MOST_ROWS = 40_000
_BASES_OF_A_VALUE = 3
_BEYOND = 10


@dataclass(frozen=True)
class SplitPoints:
    """Split points (n) of a feature in float64, and the invented application (n) to vary around each.

    An application is identified by its position.
    """

    points: NDArray[np.float64]
    bases: NDArray[np.intp]

    def __add__(self, other: Self) -> Self:
        """Return the split points of both."""
        return type(self)(np.concatenate([self.points, other.points]), np.concatenate([self.bases, other.bases]))


def proof_applications(
    form: Form, invented: Columns, edges: Mapping[str, Sequence[float]], splits: Mapping[str, SplitPoints]
) -> Columns:
    """Return the `invented` applications and variations of them that each move one feature. Deterministic.

    A feature is moved to every allowed category, to the `edges` of its bins, to the ends of its range and beyond, to
    missing if it is optional, and to each of its split points and its two neighbours. If that exceeds 40,000 rows,
    split points are sampled.
    """
    # The streams of RandomState are frozen (NEP 19).
    random = np.random.RandomState(SEED)
    parts = [
        invented,
        *_category_rows(form, invented, random),
        *_range_rows(form, invented, edges, random),
        *_missing_rows(form, invented, random),
    ]
    room = (_MOST_ROWS - sum(row_count(part) for part in parts)) // ROWS_PER_POINT
    count = sum(len(split.points) for split in splits.values())
    kept = random.permutation(count) < room
    for column, split in splits.items():
        own, kept = kept[: len(split.points)], kept[len(split.points) :]
        bases = {name: invented[name][split.bases[own]] for name in form.names}
        parts.append(_rows_around(form, bases, column, split.points[own]))
    return _joined(form, parts)


def _category_rows(form: Form, invented: Columns, random: np.random.RandomState) -> list[Columns]:
    """Return a few applications for every allowed value of every category."""
    return [
        _drawn(form, invented, random) | {category.name: np.full(_BASES_OF_A_VALUE, code, dtype=np.int8)}
        for category in form.categories
        for code in range(len(category.values))
    ]


def _range_rows(
    form: Form, invented: Columns, edges: Mapping[str, Sequence[float]], random: np.random.RandomState
) -> list[Columns]:
    """Return a few applications at and beyond the ends of bins and range, if all derived features are finite."""
    rows: list[Columns] = []
    for number in form.numbers:
        ends = {*edges[number.name], number.minimum, number.maximum}
        for value in sorted({*ends, number.minimum - 1, _BEYOND * max(ends)}):
            moved = {
                **_drawn(form, invented, random),
                number.name: np.full(_BASES_OF_A_VALUE, float(value)),
            }
            derived = derived_values(form, moved)
            if all(each.operand.optional or np.isfinite(derived[each.name]).all() for each in form.derived):
                rows.append(moved)
    return rows


def _missing_rows(form: Form, invented: Columns, random: np.random.RandomState) -> list[Columns]:
    """Return a few applications without each optional feature, and without any."""
    optional = [feature for feature in form.features if feature.optional]
    rows: list[Columns] = []
    for absent in [*([feature] for feature in optional), *([optional] if optional else [])]:
        drawn = _drawn(form, invented, random)
        for feature in absent:
            is_category = isinstance(feature, CategoryFeature)
            code = np.int8(-1) if is_category else np.nan
            drawn[feature.name] = np.full(_BASES_OF_A_VALUE, code)
        rows.append(drawn)
    return rows


def _rows_around(form: Form, bases: Columns, column: str, values: NDArray[np.float64]) -> Columns:
    """Return the n bases three times: with the feature just below its value (n), on it, and just above.

    A derived feature is moved by a number in its formula, to the closest values that it can take; applications for
    which no number reaches them are left out.
    """
    above = np.nextafter(values, np.inf)
    if column in form.names:
        settings = [np.nextafter(values, -np.inf), values, above]
        return _joined(form, [{**bases, column: moved} for moved in settings])
    parts = []
    # Neighbouring values of the lever may derive the same value, so that both sides need a search.
    for points in (values, above):
        lever = find_lever(form, bases, column, points)
        some = {name: bases[name][lever.rows] for name in form.names}
        parts += [{**some, lever.name: moved} for moved in (lever.before, lever.after) if lever.name]
    return _joined(form, parts or [{name: bases[name][:0] for name in form.names}])


def _drawn(form: Form, invented: Columns, random: np.random.RandomState) -> dict[str, NDArray[Any]]:
    places = random.randint(0, row_count(invented), _BASES_OF_A_VALUE)
    return {name: invented[name][places] for name in form.names}


def _joined(form: Form, parts: Sequence[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in form.names}
