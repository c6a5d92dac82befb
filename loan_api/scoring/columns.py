"""Applications as columns: the form in which batches are decoded, scored and recorded."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.features import CategoryFeature
from loan_api.credit.form import Form

# The values by feature; a missing one is None.
Application = Mapping[str, Any]

# One array (n) per feature: float64 for numbers, int8 for categories, as positions in the feature's `values`. A missing
# number is NaN, a missing category -1.
Columns = Mapping[str, NDArray[Any]]


def columns_of(form: Form, applications: Sequence[Application]) -> Columns:
    """Convert n valid applications to columns, in declared order."""
    columns: dict[str, NDArray[Any]] = {}
    for feature in form.features:
        if feature.optional:
            # A record from before the form had the feature lacks it.
            values = [application.get(feature.name) for application in applications]
        else:
            values = [application[feature.name] for application in applications]
        if isinstance(feature, CategoryFeature):
            codes = form.codes[feature.name]
            columns[feature.name] = np.array([codes[value] for value in values], dtype=np.int8)
        else:
            # None becomes NaN.
            columns[feature.name] = np.array(values, dtype=np.float64)
    return columns


def row_count(columns: Columns) -> int:
    """Count the applications in the columns."""
    return len(next(iter(columns.values())))


def rows_of(columns: Columns, start: int = 0, stop: int | None = None) -> Columns:
    """Slice the applications from `start` up to `stop`, as views."""
    return {name: values[start:stop] for name, values in columns.items()}


def texts(form: Form, columns: Columns) -> Columns:
    """Replace category codes with the texts they represent; None if missing."""
    return dict(columns) | {
        category.name: np.array([*category.values, None], dtype=object)[columns[category.name]]
        for category in form.categories
    }


def applications_of(form: Form, columns: Columns, rows: Sequence[int]) -> list[Application]:
    """Convert the given rows back to applications as clients send them."""
    picked = {name: values[list(rows)] for name, values in texts(form, columns).items()}
    values = [
        _known(picked[feature.name].tolist()) if feature.optional else picked[feature.name].tolist()
        for feature in form.features
    ]
    return [dict(zip(form.names, row, strict=True)) for row in zip(*values, strict=True)]


def _known(values: list[Any]) -> list[Any]:
    """Replace NaN with None."""
    return [None if value != value else value for value in values]  # noqa: PLR0124  # only NaN differs from itself
