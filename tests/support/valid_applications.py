"""Hypothesis strategies for valid applications."""

from typing import Any

from hypothesis import strategies as st

from loan_api.credit.features import CategoryFeature, Feature
from loan_api.credit.form import Form
from tests.support.forms import SHIPPED


def valid_applications(form: Form = SHIPPED) -> st.SearchStrategy[dict[str, Any]]:
    """Return applications with a value for every feature; None is one of the values of an optional feature."""
    return st.fixed_dictionaries({feature.name: values_of(feature) for feature in form.features})


def values_of(feature: Feature) -> st.SearchStrategy[Any]:
    """Return the valid values of a feature, the edges of its bins more often."""
    values: st.SearchStrategy[Any]
    if isinstance(feature, CategoryFeature):
        values = st.sampled_from(feature.values)
    else:
        edges = [edge for edge in feature.bins or () if feature.minimum <= edge <= feature.maximum]
        values = st.sampled_from([feature.minimum, *edges, feature.maximum]) | (
            st.integers(int(feature.minimum), int(feature.maximum))
            if feature.whole or feature.unit == "rupees"
            else st.floats(feature.minimum, feature.maximum)
        )
    return st.none() | values if feature.optional else values
