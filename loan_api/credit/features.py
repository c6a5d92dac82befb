"""The eleven features of an application, each declared once.

The dataset reader, request schemas, OpenAPI document, model signature, drift bins and documentation derive from
`FEATURES`. Its order is the column order of the dataset and of the registered model's input.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class NumberFeature:
    """A number from `minimum` to `maximum` inclusive, in `unit`; `whole` if fractions make no sense.

    `bins` are the edges of the intervals in which its distribution is counted.
    """

    name: str
    description: str
    unit: str
    minimum: int
    maximum: int
    example: int
    bins: tuple[int, ...]
    whole: bool = False

    @property
    def expectation(self) -> str:
        """Describe valid values in words that are safe to show to anyone."""
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.minimum} to {self.maximum}"


@dataclass(frozen=True)
class CategoryFeature:
    """One of `values`. `folds` maps values absent from the training data onto values that replace them."""

    name: str
    description: str
    values: tuple[str, ...]
    example: str
    folds: Mapping[str, str] = field(default_factory=dict)

    @property
    def trained_values(self) -> tuple[str, ...]:
        """Return the values that the model distinguishes."""
        return tuple(value for value in self.values if value not in self.folds)

    @property
    def expectation(self) -> str:
        """Describe valid values in words that are safe to show to anyone."""
        return f"one of {', '.join(self.values)}"


Feature = NumberFeature | CategoryFeature

# A trillion rupees: far above any real amount, far below the limits of float64.
_LARGEST_AMOUNT = 10**12
_LAKH = 100_000


def _in_lakhs(*edges: int) -> tuple[int, ...]:
    return tuple(edge * _LAKH for edge in edges)


FEATURES: tuple[Feature, ...] = (
    NumberFeature(
        "no_of_dependents",
        "People who depend on the applicant.",
        "people",
        0,
        30,
        example=2,
        bins=(0, 1, 2, 3, 4, 5, 6),
        whole=True,
    ),
    CategoryFeature(
        "education",
        "The applicant's education. The training data has no post graduates; the model treats them as graduates.",
        ("Graduate", "Not Graduate", "Post Graduate"),
        example="Graduate",
        folds={"Post Graduate": "Graduate"},
    ),
    CategoryFeature("self_employed", "Whether the applicant is self-employed.", ("Yes", "No"), example="No"),
    NumberFeature(
        "income_annum",
        "The applicant's income in a year.",
        "rupees",
        1,
        _LARGEST_AMOUNT,
        example=9_600_000,
        bins=_in_lakhs(0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100),
    ),
    NumberFeature(
        "loan_amount",
        "The amount applied for.",
        "rupees",
        1,
        _LARGEST_AMOUNT,
        example=29_900_000,
        bins=_in_lakhs(0, 30, 60, 90, 120, 150, 180, 210, 240, 280, 400),
    ),
    NumberFeature(
        "loan_term",
        "The time to repay the loan.",
        "years",
        1,
        50,
        example=12,
        bins=(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21),
        whole=True,
    ),
    NumberFeature(
        "cibil_score",
        "The applicant's CIBIL credit score.",
        "points",
        300,
        900,
        example=778,
        bins=(300, 360, 420, 480, 540, 600, 660, 720, 780, 840, 900),
        whole=True,
    ),
    NumberFeature(
        "residential_assets_value",
        "Value of residential property. The source system writes −100000 in some records; the model knows it.",
        "rupees",
        -100_000,
        _LARGEST_AMOUNT,
        example=2_400_000,
        bins=_in_lakhs(-1, 0, 7, 16, 29, 42, 58, 77, 100, 130, 172, 300),
    ),
    NumberFeature(
        "commercial_assets_value",
        "Value of commercial property.",
        "rupees",
        0,
        _LARGEST_AMOUNT,
        example=17_600_000,
        bins=_in_lakhs(0, 4, 10, 18, 27, 37, 50, 67, 90, 120, 200),
    ),
    NumberFeature(
        "luxury_assets_value",
        "Value of luxury goods.",
        "rupees",
        0,
        _LARGEST_AMOUNT,
        example=22_700_000,
        bins=_in_lakhs(0, 33, 62, 91, 120, 146, 174, 203, 234, 277, 400),
    ),
    NumberFeature(
        "bank_asset_value",
        "Value of bank deposits.",
        "rupees",
        0,
        _LARGEST_AMOUNT,
        example=8_000_000,
        bins=_in_lakhs(0, 10, 19, 28, 36, 45, 54, 65, 78, 96, 150),
    ),
)

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
NUMBERS: tuple[NumberFeature, ...] = tuple(f for f in FEATURES if isinstance(f, NumberFeature))
CATEGORIES: tuple[CategoryFeature, ...] = tuple(f for f in FEATURES if isinstance(f, CategoryFeature))


def example_application() -> dict[str, int | str]:
    """Return a valid application consisting of the features' examples."""
    return {feature.name: feature.example for feature in FEATURES}


def describe(feature: Feature) -> dict[str, Any]:
    """Return the declaration as plain values, for JSON."""
    described: dict[str, Any] = {"name": feature.name, "description": feature.description}
    if isinstance(feature, CategoryFeature):
        return described | {"type": "category", "allowed_values": list(feature.values)}
    return described | {
        "type": "integer" if feature.whole else "number",
        "unit": feature.unit,
        "minimum": feature.minimum,
        "maximum": feature.maximum,
    }


def feature_schema_digest() -> str:
    """Return the SHA-256 (hex) of the features' meaning: names, order, types, units, ranges and allowed values.

    Descriptions, examples and bins do not affect it.
    """
    irrelevant = ("description", "example", "bins")
    meaning = [{key: value for key, value in asdict(feature).items() if key not in irrelevant} for feature in FEATURES]
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
