"""Hypothesis strategies for valid applications."""

from typing import Any

from hypothesis import strategies as st

from loan_api.credit.features import FEATURES, CategoryFeature


def valid_applications() -> st.SearchStrategy[dict[str, Any]]:
    values: dict[str, st.SearchStrategy[Any]] = {}
    for feature in FEATURES:
        if isinstance(feature, CategoryFeature):
            values[feature.name] = st.sampled_from(feature.values)
        else:
            edges = st.sampled_from([edge for edge in feature.bins if feature.minimum <= edge <= feature.maximum])
            values[feature.name] = edges | st.integers(feature.minimum, feature.maximum)
    return st.fixed_dictionaries(values)
