"""Derivation of features inside the registered pipeline.

The module ships with the registered model and depends only on numpy, pandas and the expression language.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.expressions import Expression, Operand

if TYPE_CHECKING:
    import pandas as pd

# Stands for a missing category among the inputs of the estimator; no declared value is empty.
MISSING_CATEGORY = ""


def derive_features(applications: pd.DataFrame, derivation: str) -> pd.DataFrame:
    """Add the derived features to applications (n rows, the declared features) and fold categories.

    `derivation` is the JSON of `Form.derivation`. Missing numbers are NaN, missing categories become the empty text.
    """
    parsed = _parsed(derivation)
    derived = applications.copy()
    values: dict[str, NDArray[Any]] = {name: applications[name].to_numpy(dtype="float64") for name in parsed.numbers}
    for name, category in parsed.categories.items():
        texts = applications[name]
        codes = {value: code for code, value in enumerate(category.values)}
        values[name] = np.array([codes.get(text, -1) for text in texts], dtype=np.int64)
        known = texts.where(texts.notna(), MISSING_CATEGORY) if category.optional else texts
        derived[name] = known.replace(dict(category.folds)).astype(object)
    for name, formula in parsed.formulas.items():
        values[name] = formula.of_columns(values, len(applications))
        derived[name] = values[name]
    return derived


class _Category:
    def __init__(self, values: list[str], folds: Mapping[str, str], optional: bool) -> None:
        self.values = tuple(values)
        self.folds = folds
        self.optional = optional


class _Derivation:
    def __init__(self, content: Mapping[str, Any]) -> None:
        self.numbers = tuple(content["numbers"])
        self.categories = {name: _Category(**category) for name, category in content["categories"].items()}
        scope = {
            name: Operand("number", number["minimum"], number["maximum"], optional=number["optional"])
            for name, number in content["numbers"].items()
        }
        scope |= {
            name: Operand("text", values=category.values, optional=category.optional)
            for name, category in self.categories.items()
        }
        self.formulas: dict[str, Expression] = {}
        for name, source in content["formulas"].items():
            formula = Expression(source, scope)
            self.formulas[name] = formula
            scope[name] = Operand(formula.kind, formula.minimum, formula.maximum, optional=formula.may_be_missing)


@lru_cache(maxsize=8)
def _parsed(derivation: str) -> _Derivation:
    return _Derivation(json.loads(derivation))
