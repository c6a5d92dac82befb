"""Derived features: the ratios that a credit officer computes first.

The module ships with the registered model and depends only on numpy, pandas and the feature declarations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from loan_api.credit.features import CATEGORIES

if TYPE_CHECKING:
    import pandas as pd

ASSETS = (
    "residential_assets_value",
    "commercial_assets_value",
    "luxury_assets_value",
    "bank_asset_value",
)
# Name and readable formula of every derived feature.
DERIVED: Mapping[str, str] = {
    "loan_to_income": "loan_amount / income_annum: the loan in years of income",
    "repayment_to_income": "loan_to_income / loan_term: share of a year's income for an equal repayment, no interest",
    "annual_repayment": "loan_amount / loan_term: rupees a year, no interest",
    "total_assets": f"{' + '.join(ASSETS)}: rupees",
    "loan_to_assets": "loan_amount / max(total_assets, 1): rupees of loan for a rupee of assets",
}


def derived_values(numbers: Mapping[str, Any] | pd.DataFrame) -> dict[str, Any]:
    """Compute the values of `DERIVED`, in order, from the number features.

    Works on floats, arrays and columns alike. Single applications and batches use the same operations in the same
    order, so their results are identical to the last bit.
    """
    residential, commercial, luxury, bank = (numbers[asset] for asset in ASSETS)
    loan_to_income = numbers["loan_amount"] / numbers["income_annum"]
    total_assets = residential + commercial + luxury + bank
    return {
        "loan_to_income": loan_to_income,
        "repayment_to_income": loan_to_income / numbers["loan_term"],
        "annual_repayment": numbers["loan_amount"] / numbers["loan_term"],
        "total_assets": total_assets,
        "loan_to_assets": numbers["loan_amount"] / np.maximum(total_assets, 1.0),
    }


def derive_features(applications: pd.DataFrame) -> pd.DataFrame:
    """Add the columns of `DERIVED` to applications (n rows, the declared features) and fold categories."""
    derived = applications.copy()
    for category in CATEGORIES:
        derived[category.name] = derived[category.name].replace(dict(category.folds))
    return derived.assign(**derived_values(derived))
