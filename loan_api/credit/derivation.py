"""What a credit officer works out from an application before looking at anything else.

The function travels with the registered model, so it depends on nothing but pandas and the feature declarations.
"""

import pandas as pd

from loan_api.credit.features import CATEGORIES

ASSETS = (
    "residential_assets_value",
    "commercial_assets_value",
    "luxury_assets_value",
    "bank_asset_value",
)
DERIVED = ("loan_to_income", "repayment_to_income", "annual_repayment", "total_assets", "loan_to_assets")


def derive_features(applications: pd.DataFrame) -> pd.DataFrame:
    """The applications (n rows, the declared features) with the columns of `DERIVED` added and rare categories folded.

    - loan_to_income: years of income that the loan amounts to
    - repayment_to_income: share of a year's income that an equal yearly repayment takes, interest left out
    - annual_repayment: rupees a year, interest left out
    - total_assets: rupees, all four kinds
    - loan_to_assets: rupees of loan for a rupee of assets; assets below one rupee count as one
    """
    derived = applications.copy()
    for category in CATEGORIES:
        derived[category.name] = derived[category.name].replace(dict(category.folds))
    derived["loan_to_income"] = derived["loan_amount"] / derived["income_annum"]
    derived["repayment_to_income"] = derived["loan_to_income"] / derived["loan_term"]
    derived["annual_repayment"] = derived["loan_amount"] / derived["loan_term"]
    derived["total_assets"] = derived[list(ASSETS)].sum(axis="columns")
    derived["loan_to_assets"] = derived["loan_amount"] / derived["total_assets"].clip(lower=1.0)
    return derived
