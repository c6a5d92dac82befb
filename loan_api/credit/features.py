"""The eleven features of an application, each declared once.

The dataset reader, the request schemas, the OpenAPI document, the model signature and the documents all derive from
`FEATURES`. Its order is the column order of the dataset and of the registered model's input.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class NumberFeature:
    """A number within `minimum` and `maximum`, both allowed, in `unit`; `whole` where fractions make no sense."""

    name: str
    description: str
    unit: str
    minimum: int
    maximum: int
    example: int
    whole: bool = False

    @property
    def expectation(self) -> str:
        """What a valid value is, in words that are safe to show to anyone."""
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.minimum} to {self.maximum}"


@dataclass(frozen=True)
class CategoryFeature:
    """One of `values`. `folds` maps a value that the training data never shows onto the one that stands in for it."""

    name: str
    description: str
    values: tuple[str, ...]
    example: str
    folds: Mapping[str, str] = field(default_factory=dict)

    @property
    def trained_values(self) -> tuple[str, ...]:
        """The values that the model tells apart."""
        return tuple(value for value in self.values if value not in self.folds)

    @property
    def expectation(self) -> str:
        """What a valid value is, in words that are safe to show to anyone."""
        return f"one of {', '.join(self.values)}"


Feature = NumberFeature | CategoryFeature

# A trillion rupees: far above any real amount, far below where ratios of float64 lose sense.
_LARGEST_AMOUNT = 10**12

FEATURES: tuple[Feature, ...] = (
    NumberFeature("no_of_dependents", "People who depend on the applicant.", "people", 0, 30, example=2, whole=True),
    CategoryFeature(
        "education",
        "The applicant's education. The training data has no post graduates; the model treats them as graduates.",
        ("Graduate", "Not Graduate", "Post Graduate"),
        example="Graduate",
        folds={"Post Graduate": "Graduate"},
    ),
    CategoryFeature("self_employed", "Whether the applicant is self-employed.", ("Yes", "No"), example="No"),
    NumberFeature("income_annum", "The applicant's income in a year.", "rupees", 1, _LARGEST_AMOUNT, 9_600_000),
    NumberFeature("loan_amount", "The amount applied for.", "rupees", 1, _LARGEST_AMOUNT, 29_900_000),
    NumberFeature("loan_term", "The time to repay the loan.", "years", 1, 50, example=12, whole=True),
    NumberFeature("cibil_score", "The applicant's CIBIL credit score.", "points", 300, 900, example=778, whole=True),
    NumberFeature(
        "residential_assets_value",
        "Value of residential property. The source system writes −100000 in some records; the model knows it.",
        "rupees",
        -100_000,
        _LARGEST_AMOUNT,
        2_400_000,
    ),
    NumberFeature("commercial_assets_value", "Value of commercial property.", "rupees", 0, _LARGEST_AMOUNT, 17_600_000),
    NumberFeature("luxury_assets_value", "Value of luxury goods.", "rupees", 0, _LARGEST_AMOUNT, 22_700_000),
    NumberFeature("bank_asset_value", "Value of bank deposits.", "rupees", 0, _LARGEST_AMOUNT, 8_000_000),
)

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
NUMBERS: tuple[NumberFeature, ...] = tuple(f for f in FEATURES if isinstance(f, NumberFeature))
CATEGORIES: tuple[CategoryFeature, ...] = tuple(f for f in FEATURES if isinstance(f, CategoryFeature))


def example_application() -> dict[str, int | str]:
    """One valid application, made of the features' examples."""
    return {feature.name: feature.example for feature in FEATURES}


def feature_schema_digest() -> str:
    """SHA-256 (hex) of what the features mean: names, order, types, units, ranges and allowed values.

    Descriptions and examples may be reworded without changing it.
    """
    meaning = [
        {key: value for key, value in asdict(feature).items() if key not in ("description", "example")}
        for feature in FEATURES
    ]
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
