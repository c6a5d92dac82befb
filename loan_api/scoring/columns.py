"""Applications as columns: the form in which batches are decoded, scored and recorded."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.features import CATEGORIES, FEATURE_NAMES, FEATURES, CategoryFeature

Application = Mapping[str, Any]

# One array (n) per declared feature: float64 for numbers, int8 for categories, as positions in the feature's `values`.
Columns = Mapping[str, NDArray[Any]]

CODES: Mapping[str, Mapping[str, int]] = {
    category.name: {value: code for code, value in enumerate(category.values)} for category in CATEGORIES
}


def columns_of(applications: Sequence[Application]) -> Columns:
    """Convert n valid applications to columns, in declared order."""
    columns: dict[str, NDArray[Any]] = {}
    for feature in FEATURES:
        values = [application[feature.name] for application in applications]
        if isinstance(feature, CategoryFeature):
            codes = CODES[feature.name]
            columns[feature.name] = np.array([codes[value] for value in values], dtype=np.int8)
        else:
            columns[feature.name] = np.array(values, dtype=np.float64)
    return columns


def row_count(columns: Columns) -> int:
    """Count the applications in the columns."""
    return len(next(iter(columns.values())))


def rows_of(columns: Columns, start: int = 0, stop: int | None = None) -> Columns:
    """Slice the applications from `start` up to `stop`, as views."""
    return {name: values[start:stop] for name, values in columns.items()}


def texts(columns: Columns) -> Columns:
    """Replace category codes with the texts they represent."""
    return dict(columns) | {
        category.name: np.array(category.values, dtype=object)[columns[category.name]] for category in CATEGORIES
    }


def applications_of(columns: Columns, rows: Sequence[int]) -> list[Application]:
    """Convert the given rows back to applications as clients send them."""
    picked = {name: values[list(rows)] for name, values in texts(columns).items()}
    values = [picked[feature.name].tolist() for feature in FEATURES]
    return [dict(zip(FEATURE_NAMES, row, strict=True)) for row in zip(*values, strict=True)]
