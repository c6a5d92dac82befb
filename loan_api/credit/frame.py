"""Applications as a data frame: the input of training and of the reference pipeline."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from loan_api.credit.features import CATEGORIES, FEATURE_NAMES, NUMBERS


def applications_frame(applications: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Convert applications to a frame (n rows, declared columns): numbers as float64, categories as text."""
    return conform(pd.DataFrame.from_records(list(applications), columns=list(FEATURE_NAMES)))


def columns_frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    """Convert one column (n) per feature, categories as text, to the same frame."""
    return conform(pd.DataFrame(dict(columns)))


def conform(frame: pd.DataFrame) -> pd.DataFrame:
    """Select the feature columns of `frame` in declared order and types.

    Raises KeyError if a feature is missing and ValueError if a value is not a number.
    """
    types: dict[str, Any] = {number.name: "float64" for number in NUMBERS}
    types |= {category.name: object for category in CATEGORIES}
    return frame[list(FEATURE_NAMES)].astype(types)
