"""What a credit officer works out from an application before looking at anything else.

The function travels with the registered model, so it depends on nothing but pandas and the feature declarations.
"""

from collections.abc import Mapping

import pandas as pd

from loan_api.credit.features import CATEGORIES

ASSETS = (
    "residential_assets_value",
    "commercial_assets_value",
    "luxury_assets_value",
    "bank_asset_value",
)
# Name and plain formula of every derived feature.
DERIVED: Mapping[str, str] = {
    "loan_to_income": "loan_amount / income_annum: years of income that the loan amounts to",
    "repayment_to_income": "loan_to_income / loan_term: share of a year's income for an equal repayment, no interest",
    "annual_repayment": "loan_amount / loan_term: rupees a year, no interest",
    "total_assets": f"{' + '.join(ASSETS)}: rupees",
    "loan_to_assets": "loan_amount / max(total_assets, 1): rupees of loan for a rupee of assets",
}


def derive_features(applications: pd.DataFrame) -> pd.DataFrame:
    """The applications (n rows, the declared features) with the columns of `DERIVED` added and categories folded."""
    derived = applications.copy()
    for category in CATEGORIES:
        derived[category.name] = derived[category.name].replace(dict(category.folds))
    derived["loan_to_income"] = derived["loan_amount"] / derived["income_annum"]
    derived["repayment_to_income"] = derived["loan_to_income"] / derived["loan_term"]
    derived["annual_repayment"] = derived["loan_amount"] / derived["loan_term"]
    derived["total_assets"] = derived[list(ASSETS)].sum(axis="columns")
    derived["loan_to_assets"] = derived["loan_amount"] / derived["total_assets"].clip(lower=1.0)
    return derived
