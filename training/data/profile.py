"""The data version of a run: statistics that identify the data and can be compared.

It contains counts and summaries, but no applications.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from loan_api.credit.bins import bins_of
from loan_api.credit.decision import APPROVED, REJECTED
from loan_api.credit.features import CategoryFeature, Feature
from loan_api.credit.form import Form
from loan_api.credit.reference import Histogram
from training.data.dataset import Dataset
from training.data.split import RULE, Split

_QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


def _transformations(form: Form) -> tuple[str, ...]:
    dropped = [*([form.dataset.identifier] if form.dataset.identifier else []), *form.dataset.ignored]
    return (
        "Spaces around names and values are stripped.",
        "A duplicate, the same application and outcome under another identifier, is dropped.",
        f"Columns that are not features are dropped: {', '.join(dropped) or 'none'}.",
        f"The outcome is 1 for {', '.join(form.outcome.approved)} and 0 for {', '.join(form.outcome.rejected)}.",
        "Applications are sorted by their values, so that the order of the file has no effect.",
        RULE,
    )


@dataclass(frozen=True)
class FeatureProfile:
    """Statistics of one feature over all applications.

    `histogram` counts the values by bin, `approved` those of approved applications. `quantiles`, `mean` and `spread`
    (standard deviation) exist for numbers only, in the feature's unit.
    """

    name: str
    unit: str
    missing: int
    distinct: int
    histogram: Mapping[str, Any]
    approved: Mapping[str, int]
    quantiles: Mapping[str, float] | None = None
    mean: float | None = None
    spread: float | None = None


@dataclass(frozen=True)
class DataProfile:
    """Statistics of a run's data. `rows_contradictory` counts applications that appear with both outcomes."""

    dataset: str
    dataset_digest: str
    feature_schema_digest: str
    is_synthetic: bool
    rows_read: int
    rows_dropped: Mapping[str, int]
    rows_kept: int
    rows_contradictory: int
    rows_train: int
    rows_holdout: int
    outcomes: Mapping[str, int]
    outcomes_holdout: Mapping[str, int]
    transformations: tuple[str, ...]
    features: tuple[FeatureProfile, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the profile as JSON values."""
        return asdict(self)


def profile_dataset(dataset: Dataset, split: Split) -> DataProfile:
    """Profile the dataset and its split."""
    return DataProfile(
        dataset=dataset.path.name,
        dataset_digest=dataset.digest,
        feature_schema_digest=dataset.form.digest,
        is_synthetic=dataset.is_sample,
        rows_read=dataset.rows_read,
        rows_dropped={"duplicates under another identifier": dataset.repeated_rows},
        rows_kept=len(dataset.outcomes),
        rows_contradictory=int(dataset.applications.duplicated(keep=False).sum()),
        rows_train=len(split.train_outcomes),
        rows_holdout=len(split.holdout_outcomes),
        outcomes=_balance(dataset.outcomes),
        outcomes_holdout=_balance(split.holdout_outcomes),
        transformations=_transformations(dataset.form),
        features=tuple(_profile_feature(feature, dataset) for feature in dataset.form.features),
    )


def _balance(outcomes: pd.Series) -> dict[str, int]:
    return {"approved": int((outcomes == APPROVED).sum()), "rejected": int((outcomes == REJECTED).sum())}


def _profile_feature(feature: Feature, dataset: Dataset) -> FeatureProfile:
    values = dataset.applications[feature.name]
    bins = bins_of(feature, values.to_numpy())
    histogram = Histogram.of(bins, values)
    approved = Histogram.of(bins, values[dataset.outcomes == APPROVED])
    common = {
        "name": feature.name,
        "missing": int(values.isna().sum()),
        "distinct": int(values.nunique()),
        "histogram": histogram.to_json(),
        "approved": approved.to_json()["counts"],
    }
    if isinstance(feature, CategoryFeature):
        return FeatureProfile(unit="", **common)
    return FeatureProfile(
        unit=feature.unit,
        quantiles={f"{quantile:.0%}": float(values.quantile(quantile)) for quantile in _QUANTILES},
        mean=float(values.mean()),
        spread=float(values.std()),
        **common,
    )
