"""The scikit-learn pipeline from raw applications to a probability."""

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from loan_api.credit.derivation import DERIVED, derive_features
from loan_api.credit.features import CATEGORIES, NUMBERS


def build_pipeline(estimator: Any, *, scaled: bool) -> Pipeline:
    """Build the unfitted pipeline: derivation, preprocessing, `estimator`. Input: the frame of `credit.frame`."""
    categories = OneHotEncoder(
        categories=[list(category.trained_values) for category in CATEGORIES], drop="if_binary", sparse_output=False
    )
    numbers = StandardScaler() if scaled else "passthrough"
    preprocessing = ColumnTransformer(
        [
            ("categories", categories, [category.name for category in CATEGORIES]),
            ("numbers", numbers, [*(number.name for number in NUMBERS), *DERIVED]),
        ],
        verbose_feature_names_out=False,
    )
    return Pipeline(
        [
            ("derivation", FunctionTransformer(derive_features)),
            ("preprocessing", preprocessing),
            ("estimator", estimator),
        ]
    )


def describe_transformations(pipeline: Pipeline) -> list[str]:
    """Describe every transformation of a fitted pipeline before the estimator, one per line."""
    lines = [
        f"{category.name}: {value} is treated as {stand_in}"
        for category in CATEGORIES
        for value, stand_in in category.folds.items()
    ]
    lines += [f"{name} = {formula}" for name, formula in DERIVED.items()]
    for category in CATEGORIES:
        first, *others = category.trained_values
        kept = others if len(others) == 1 else [first, *others]
        lines += [f"{category.name}: 1 if {value}, otherwise 0" for value in kept]
    scaler = pipeline["preprocessing"].named_transformers_["numbers"]
    if isinstance(scaler, StandardScaler):
        moments = zip([*(number.name for number in NUMBERS), *DERIVED], scaler.mean_, scaler.scale_, strict=True)
        lines += [f"{name}: minus {mean:.17g}, divided by {scale:.17g}" for name, mean, scale in moments]
    else:
        lines.append("numbers are used unchanged")
    return lines
