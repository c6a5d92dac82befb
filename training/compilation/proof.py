"""Invented applications on which a compiled form must agree with its pipeline.

They lie where two computations could diverge: on split thresholds, at the ends of ranges and beyond.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.derivation import DERIVED, derived_values
from loan_api.credit.features import CATEGORIES, FEATURE_NAMES, NUMBERS
from loan_api.scoring.columns import Columns, row_count
from training.compilation.levers import lever_of, smallest_reaching

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


def proof_applications(invented: Columns, splits: Mapping[str, SplitPoints]) -> Columns:
    """Return the `invented` applications and variations of them that each move one feature. Deterministic.

    A feature is moved to every allowed category, to the edges of its bins, to the ends of its range and beyond, and to
    each of its split points and its two neighbours. If that exceeds 40,000 rows, split points are sampled.
    """
    # The streams of RandomState are frozen (NEP 19).
    random = np.random.RandomState(SEED)
    parts = [invented, *_category_rows(invented, random), *_range_rows(invented, random)]
    room = (_MOST_ROWS - sum(row_count(part) for part in parts)) // ROWS_PER_POINT
    count = sum(len(split.points) for split in splits.values())
    kept = random.permutation(count) < room
    for column, split in splits.items():
        own, kept = kept[: len(split.points)], kept[len(split.points) :]
        bases = {name: invented[name][split.bases[own]] for name in FEATURE_NAMES}
        parts.append(_rows_around(bases, column, split.points[own]))
    return _joined(parts)


def _category_rows(invented: Columns, random: np.random.RandomState) -> list[Columns]:
    """Return a few applications for every allowed value of every category."""
    return [
        {**_drawn(invented, _BASES_OF_A_VALUE, random), category.name: np.full(_BASES_OF_A_VALUE, code, dtype=np.int8)}
        for category in CATEGORIES
        for code in range(len(category.values))
    ]


def _range_rows(invented: Columns, random: np.random.RandomState) -> list[Columns]:
    """Return a few applications at and beyond the ends of bins and range, if all derived features are finite."""
    rows: list[Columns] = []
    for number in NUMBERS:
        ends = {*number.bins, number.minimum, number.maximum}
        for value in sorted({*ends, number.minimum - 1, _BEYOND * max(ends)}):
            moved = {
                **_drawn(invented, _BASES_OF_A_VALUE, random),
                number.name: np.full(_BASES_OF_A_VALUE, float(value)),
            }
            with np.errstate(divide="ignore"):
                derived = derived_values(moved)
            if np.isfinite(np.array(list(derived.values()))).all():
                rows.append(moved)
    return rows


def _rows_around(bases: Columns, column: str, values: NDArray[np.float64]) -> Columns:
    """Return the n bases three times: with the feature just below its value (n), on it, and just above.

    A derived feature is moved by its lever, to the closest values that it can take.
    """
    above = np.nextafter(values, np.inf)
    if column in DERIVED:
        lever = lever_of(column)
        reaching = smallest_reaching(bases, column, values)
        settings = [np.nextafter(reaching, -np.inf), reaching]
        # Neighbouring values of the lever may derive the same value.
        settings.append(np.maximum(np.nextafter(reaching, np.inf), smallest_reaching(bases, column, above)))
    else:
        lever = column
        settings = [np.nextafter(values, -np.inf), values, above]
    return _joined([{**bases, lever: moved} for moved in settings])


def _drawn(invented: Columns, rows: int, random: np.random.RandomState) -> Columns:
    places = random.randint(0, row_count(invented), rows)
    return {name: invented[name][places] for name in FEATURE_NAMES}


def _joined(parts: Sequence[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in FEATURE_NAMES}
