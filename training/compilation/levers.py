"""The search for the number that brings a derived feature to a given value."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.features import DerivedFeature
from loan_api.credit.form import Form
from loan_api.scoring.columns import Columns, row_count

# Beyond all usual amounts on both sides of 0, so that most applications can reach most values.
_FURTHEST = 1e14
_HALVINGS = 64
_ALL_BUT_SIGN = np.int64(0x7FFF_FFFF_FFFF_FFFF)


@dataclass(frozen=True)
class Lever:
    """A number feature, and for m of n applications (`rows`) the two neighbouring values around a crossing (m)."""

    name: str
    rows: NDArray[np.intp]
    before: NDArray[np.float64]
    after: NDArray[np.float64]


def derived_values(form: Form, applications: Columns) -> dict[str, NDArray[np.float64]]:
    """Return the values of all derived features for n applications (n)."""
    values = dict(applications)
    for derived in form.derived:
        values[derived.name] = derived.formula.of_columns(values, row_count(applications))
    return {derived.name: values[derived.name] for derived in form.derived}


def find_lever(form: Form, applications: Columns, derived: str, values: NDArray[np.float64]) -> Lever:
    """Find the number with which most of n applications bring `derived` across its value (n).

    Bisection over all float64 numbers with the actual formula is exact; an inverted formula would round.
    """
    rows = row_count(applications)
    found = Lever("", np.array([], dtype=np.intp), np.array([]), np.array([]))
    for name in _levers(form, derived):
        low, high = _ranks(np.full(rows, -_FURTHEST)), _ranks(np.full(rows, _FURTHEST))
        at_low, at_high = (_reaches(form, applications, name, ranks, derived, values) for ranks in (low, high))
        crossing = np.flatnonzero(at_low != at_high)
        if len(crossing) > len(found.rows):
            some = {each: column[crossing] for each, column in applications.items()}
            before, after = _bisect(form, some, name, derived, values[crossing], at_low[crossing])
            found = Lever(name, crossing, before, after)
        if len(found.rows) == rows:
            break
    return found


def _levers(form: Form, derived: str) -> list[str]:
    """Return the number features that the derived feature is computed from."""
    by_name: dict[str, DerivedFeature] = {each.name: each for each in form.derived}
    numbers = {number.name for number in form.numbers}
    names: list[str] = []
    for name in by_name[derived].formula.slopes:
        names += _levers(form, name) if name in by_name else [name] if name in numbers else []
    return list(dict.fromkeys(names))


def _bisect(
    form: Form,
    applications: Columns,
    lever: str,
    derived: str,
    values: NDArray[np.float64],
    at_low: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return, for n applications, two neighbouring float64 numbers between which `derived` crosses its value (n)."""
    low, high = _ranks(np.full(len(values), -_FURTHEST)), _ranks(np.full(len(values), _FURTHEST))
    for _ in range(_HALVINGS):
        # The mean, rounded down, without a sum that could overflow.
        middle = (low >> 1) + (high >> 1) + (low & high & 1)
        is_before = _reaches(form, applications, lever, middle, derived, values) == at_low
        low, high = np.where(is_before, middle, low), np.where(is_before, high, middle)
    return _numbers(low), _numbers(high)


def _reaches(
    form: Form, applications: Columns, lever: str, ranks: NDArray[np.int64], derived: str, values: NDArray[np.float64]
) -> NDArray[np.bool_]:
    moved = {**applications, lever: _numbers(ranks)}
    reaches: NDArray[np.bool_] = derived_values(form, moved)[derived] >= values
    return reaches


def _ranks(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Map float64 numbers to ordered integers, consecutive for adjacent floats."""
    bits = numbers.view(np.int64)
    # The bits of negative numbers grow away from 0; flipped, they grow with the number.
    return np.where(bits < 0, bits ^ _ALL_BUT_SIGN, bits)


def _numbers(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the float64 numbers of these ranks."""
    numbers: NDArray[np.float64] = np.where(ranks < 0, ranks ^ _ALL_BUT_SIGN, ranks).view(np.float64)
    return numbers
