"""The probe for monotonicity: the approval probability must follow the effects that the form declares."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.features import NumberFeature
from loan_api.credit.form import Form
from loan_api.scoring.columns import Columns, row_count

# Less than this is rounding.
TOLERANCE = 1e-9
_MOST_APPLICATIONS = 300
_STEPS = 40
_SEED = 20240313

Probabilities = Callable[[Columns], NDArray[np.float64]]


def violations(
    form: Form, probabilities: Probabilities, applications: Columns, edges: Mapping[str, Sequence[float]]
) -> dict[str, float]:
    """Return, for each feature that violates its declared effect, the largest move of the probability against it.

    Up to 300 of the n applications are scored with the feature moved over its whole range, all else equal; derived
    features follow. `edges` are the edges of each number's bins.
    """
    constrained = [number for number in form.numbers if number.effect is not None]
    rows = np.random.RandomState(_SEED).permutation(row_count(applications))[:_MOST_APPLICATIONS]
    some = {name: column[rows] for name, column in applications.items()}
    found = {number.name: _violation(number, probabilities, some, edges[number.name]) for number in constrained}
    return {name: violation for name, violation in found.items() if violation > TOLERANCE}


def _violation(
    number: NumberFeature, probabilities: Probabilities, applications: Columns, edges: Sequence[float]
) -> float:
    values = _values(number, applications[number.name], edges)
    rows = row_count(applications)
    moved = {name: np.repeat(column, len(values)) for name, column in applications.items()}
    moved[number.name] = np.tile(values, rows)
    paths = probabilities(moved).reshape(rows, len(values))
    steps = np.diff(paths, axis=1)
    return float(np.max(-steps if number.effect == "increasing" else steps, initial=0.0))


def _values(number: NumberFeature, given: NDArray[np.float64], edges: Sequence[float]) -> NDArray[np.float64]:
    """Return ascending values over the whole range, denser where applications are."""
    known = given[~np.isnan(given)]
    inner = np.linspace(max(edges[0], number.minimum), min(edges[-1], number.maximum), _STEPS)
    quantiles = np.quantile(known, np.linspace(0, 1, _STEPS)) if known.size else known
    values = np.concatenate([[number.minimum, number.maximum], inner, quantiles])
    values = values[(values >= number.minimum) & (values <= number.maximum)]
    return np.unique(np.round(values) if number.whole else values)
