"""Applications for tests: the examples of the assessment, and variations of a valid one."""

from collections.abc import Mapping
from typing import Any

from tests.support.forms import SHIPPED

ASSESSMENT_SINGLE: Mapping[str, Any] = {
    "income_annum": 100000,
    "loan_amount": 500000,
    "loan_term": 20,
    "cibil_score": 750,
    "residential_assets_value": 1200000,
    "commercial_assets_value": 500000,
    "luxury_assets_value": 100000,
    "bank_asset_value": 200000,
    "education": "Graduate",
    "self_employed": "Yes",
    "no_of_dependents": 2,
}
ASSESSMENT_BATCH: Mapping[str, Any] = {
    "instances": [
        ASSESSMENT_SINGLE,
        {
            "income_annum": 150000,
            "loan_amount": 700000,
            "loan_term": 15,
            "cibil_score": 800,
            "residential_assets_value": 1500000,
            "commercial_assets_value": 800000,
            "luxury_assets_value": 150000,
            "bank_asset_value": 300000,
            "education": "Post Graduate",
            "self_employed": "No",
            "no_of_dependents": 1,
        },
    ]
}


def application(**changes: Any) -> dict[str, Any]:
    """Return a valid application with some values changed."""
    return SHIPPED.example() | changes


def application_without(name: str) -> dict[str, Any]:
    """Return a valid application without one feature."""
    return {key: value for key, value in SHIPPED.example().items() if key != name}
