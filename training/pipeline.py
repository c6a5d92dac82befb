"""From raw applications to a probability, as one scikit-learn Pipeline."""

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from loan_api.credit.derivation import DERIVED, derive_features
from loan_api.credit.features import CATEGORIES, NUMBERS


def build_pipeline(estimator: Any, *, scaled: bool) -> Pipeline:
    """Feature derivation, preprocessing and `estimator`, unfitted. Input: the frame of `loan_api.credit.frame`."""
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
