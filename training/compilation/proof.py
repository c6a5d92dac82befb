"""Made-up applications on which a compiled form must show that it equals its pipeline.

They lie where two ways of computing the same could part: on split thresholds, at the ends of ranges and beyond.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.derivation import DERIVED, derived_values
from loan_api.credit.features import CATEGORIES, FEATURE_NAMES, NUMBERS
from loan_api.scoring.columns import Columns, row_count
from training.compilation.levers import lever_of, smallest_reaching

# Just below, on and above.
ROWS_OF_A_TURN = 3
SEED = 20240313
_MOST_ROWS = 40_000
_BASES_OF_A_VALUE = 3
_BEYOND = 10


@dataclass(frozen=True)
class Turns:
    """Float64 values (n) of a feature around which a row changes sides, and the made-up application (n) to try each on.

    An application is told by its place among the made-up ones.
    """

    points: NDArray[np.float64]
    bases: NDArray[np.intp]


def proof_applications(made_up: Columns, turns: Mapping[str, Turns]) -> Columns:
    """The `made_up` applications, and variations of them, of which each moves one feature. Always the same.

    A feature is moved to every allowed category, the edges of its bins, the ends of its range and beyond, and for
    each of its turns onto the point and just to both sides of it. Where that makes more than 40,000 rows, turns are
    drawn at random.
    """
    # RandomState, as its streams are frozen (NEP 19).
    random = np.random.RandomState(SEED)
    parts = [made_up, *_category_rows(made_up, random), *_range_rows(made_up, random)]
    room = (_MOST_ROWS - sum(row_count(part) for part in parts)) // ROWS_OF_A_TURN
    count = sum(len(turned.points) for turned in turns.values())
    kept = random.permutation(count) < room
    for column, turned in turns.items():
        own, kept = kept[: len(turned.points)], kept[len(turned.points) :]
        bases = {name: made_up[name][turned.bases[own]] for name in FEATURE_NAMES}
        parts.append(_rows_around(bases, column, turned.points[own]))
    return _joined(parts)


def _category_rows(made_up: Columns, random: np.random.RandomState) -> list[Columns]:
    """A few applications with every allowed value of every category."""
    return [
        {**_drawn(made_up, _BASES_OF_A_VALUE, random), category.name: np.full(_BASES_OF_A_VALUE, code, dtype=np.int8)}
        for category in CATEGORIES
        for code in range(len(category.values))
    ]


def _range_rows(made_up: Columns, random: np.random.RandomState) -> list[Columns]:
    """A few applications with numbers at the edges of bins and range, and beyond, if all that is derived is finite."""
    rows: list[Columns] = []
    for number in NUMBERS:
        ends = {*number.bins, number.minimum, number.maximum}
        for value in sorted({*ends, number.minimum - 1, _BEYOND * max(ends)}):
            moved = {
                **_drawn(made_up, _BASES_OF_A_VALUE, random),
                number.name: np.full(_BASES_OF_A_VALUE, float(value)),
            }
            with np.errstate(divide="ignore"):
                derived = derived_values(moved)
            if np.isfinite(np.array(list(derived.values()))).all():
                rows.append(moved)
    return rows


def _rows_around(bases: Columns, column: str, values: NDArray[np.float64]) -> Columns:
    """The n bases thrice: with the feature just below its value (n), on it or as little above as it gets, and above."""
    above = np.nextafter(values, np.inf)
    if column in DERIVED:
        lever = lever_of(column)
        reaching = smallest_reaching(bases, column, values)
        settings = [np.nextafter(reaching, -np.inf), reaching]
        # Several neighbours of the lever may derive the same value.
        settings.append(np.maximum(np.nextafter(reaching, np.inf), smallest_reaching(bases, column, above)))
    else:
        lever = column
        settings = [np.nextafter(values, -np.inf), values, above]
    return _joined([{**bases, lever: moved} for moved in settings])


def _drawn(made_up: Columns, rows: int, random: np.random.RandomState) -> Columns:
    places = random.randint(0, row_count(made_up), rows)
    return {name: made_up[name][places] for name in FEATURE_NAMES}


def _joined(parts: Sequence[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in FEATURE_NAMES}
