"""The scikit-learn pipeline from raw applications to a probability."""

from collections.abc import Sequence
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from loan_api.credit.derivation import MISSING_CATEGORY, derive_features
from loan_api.credit.features import CategoryFeature, DerivedFeature, NumberFeature
from loan_api.credit.form import Form


def build_pipeline(form: Form, estimator: Any, *, scaled: bool, imputed: bool) -> Pipeline:
    """Build the unfitted pipeline: derivation, preprocessing, `estimator`. Input: the frame of `credit.frame`.

    Numbers are standardised if `scaled`. If `imputed`, missing ones become the median, with an indicator; otherwise
    the estimator must accept NaN.
    """
    categories = OneHotEncoder(
        categories=[list(_distinguished(category)) for category in form.categories],
        drop="if_binary",
        sparse_output=False,
    )
    complete, gaps = _numbers(form, imputed=imputed)
    parts: list[tuple[str, Any, list[str]]] = [
        ("categories", categories, [category.name for category in form.categories]),
        ("numbers", StandardScaler() if scaled else "passthrough", complete),
    ]
    if gaps:
        filled: list[tuple[str, Any]] = [("median", SimpleImputer(strategy="median", keep_empty_features=True))]
        filled += [("scale", StandardScaler())] if scaled else []
        parts += [
            ("filled", Pipeline(filled), gaps),
            ("missing", MissingIndicator(features="all"), gaps),
        ]
    return Pipeline(
        [
            ("derivation", FunctionTransformer(derive_features, kw_args={"derivation": form.derivation()})),
            ("preprocessing", ColumnTransformer(parts, verbose_feature_names_out=False)),
            ("estimator", estimator),
        ]
    )


def monotonicity(form: Form, *, imputed: bool) -> list[int]:
    """Return for each input of the estimator the direction in which the probability may move with it (1, -1, or 0)."""
    complete, gaps = _numbers(form, imputed=imputed)
    indicators = sum(_width(category) for category in form.categories)
    signs = [form.constraints[name] for name in (*complete, *gaps)]
    return [0] * indicators + signs + [0] * len(gaps)


def _numbers(form: Form, *, imputed: bool) -> tuple[list[str], list[str]]:
    """Return the numbers and derived features that the model uses: the ones never missing, and the others."""
    columns: list[NumberFeature | DerivedFeature] = [*form.numbers]
    columns += [derived for derived in form.derived if derived.name in form.constraints]
    gaps = [column.name for column in columns if imputed and column.operand.optional]
    return [column.name for column in columns if column.name not in gaps], gaps


def _distinguished(category: CategoryFeature) -> Sequence[str]:
    return (*category.trained_values, MISSING_CATEGORY) if category.optional else category.trained_values


def _width(category: CategoryFeature) -> int:
    values = len(_distinguished(category))
    return 1 if values == 2 else values  # noqa: PLR2004  # two values need one indicator


def describe_transformations(form: Form, pipeline: Pipeline) -> list[str]:
    """Describe every transformation of a fitted pipeline before the estimator, one per line."""
    lines = [
        f"{category.name}: {value} is treated as {stand_in}"
        for category in form.categories
        for value, stand_in in category.folds.items()
    ]
    lines += [f"{derived.name} = {derived.formula.source}: {derived.description}" for derived in form.derived]
    for category in form.categories:
        first, *others = _distinguished(category)
        kept = others if len(others) == 1 else [first, *others]
        lines += [f"{category.name}: 1 if {value or 'missing'}, otherwise 0" for value in kept]
    preprocessing = pipeline["preprocessing"]
    for _, transformer, columns in preprocessing.transformers_:
        steps = [step for _, step in transformer.steps] if isinstance(transformer, Pipeline) else [transformer]
        for step in steps:
            if isinstance(step, SimpleImputer):
                medians = zip(columns, step.statistics_, strict=True)
                lines += [f"{name}: {median:.17g} if missing" for name, median in medians]
            elif isinstance(step, MissingIndicator):
                lines += [f"{name}: 1 if missing, otherwise 0" for name in columns]
            elif isinstance(step, StandardScaler):
                moments = zip(columns, step.mean_, step.scale_, strict=True)
                lines += [f"{name}: minus {mean:.17g}, divided by {scale:.17g}" for name, mean, scale in moments]
    if not any("divided by" in line for line in lines):
        lines.append("numbers are used unchanged")
    return lines
