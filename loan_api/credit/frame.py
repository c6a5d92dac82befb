"""Applications as a data frame: the input of training and of the reference pipeline."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from loan_api.credit.form import Form


def applications_frame(form: Form, applications: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Convert applications to a frame (n rows, declared columns): numbers as float64, categories as text or None."""
    return conform(form, pd.DataFrame.from_records(list(applications), columns=list(form.names)))


def columns_frame(form: Form, columns: Mapping[str, Any]) -> pd.DataFrame:
    """Convert one column (n) per feature, categories as text, to the same frame."""
    return conform(form, pd.DataFrame(dict(columns)))


def conform(form: Form, frame: pd.DataFrame) -> pd.DataFrame:
    """Select the feature columns of `frame` in declared order and types.

    Raises KeyError if a feature is missing and ValueError if a value is not a number.
    """
    types: dict[str, Any] = {number.name: "float64" for number in form.numbers}
    types |= {category.name: object for category in form.categories}
    selected = frame[list(form.names)].astype(types)
    for category in form.categories:
        # pandas has several kinds of missing; the pipeline knows one.
        selected[category.name] = selected[category.name].where(selected[category.name].notna(), None)
    return selected
