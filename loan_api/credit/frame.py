"""Applications as a table: the one shape that training fits on and the service scores."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from loan_api.credit.features import CATEGORIES, FEATURE_NAMES, NUMBERS


def applications_frame(applications: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The applications as a frame (n rows, 11 columns in declared order): numbers as float64, categories as text."""
    return conform(pd.DataFrame.from_records(list(applications), columns=list(FEATURE_NAMES)))


def columns_frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    """The same frame from a column (n) for each feature, categories as text."""
    return conform(pd.DataFrame(dict(columns)))


def conform(frame: pd.DataFrame) -> pd.DataFrame:
    """The feature columns of `frame` in declared order and types.

    Raises KeyError if a feature is missing and ValueError if a number is not one.
    """
    types: dict[str, Any] = {number.name: "float64" for number in NUMBERS}
    types |= {category.name: object for category in CATEGORIES}
    return frame[list(FEATURE_NAMES)].astype(types)
