"""Derived features are finite and correct for every valid application."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loan_api.credit.derivation import DERIVED, derive_features
from loan_api.credit.features import FEATURES, CategoryFeature, Feature
from loan_api.credit.frame import applications_frame
from tests.support.applications import application


def values_of(feature: Feature) -> st.SearchStrategy[object]:
    if isinstance(feature, CategoryFeature):
        return st.sampled_from(feature.values)
    if feature.whole:
        return st.integers(feature.minimum, feature.maximum)
    return st.floats(feature.minimum, feature.maximum)


valid_applications = st.fixed_dictionaries({feature.name: values_of(feature) for feature in FEATURES})


# The first example includes the import of pandas, which exceeds the deadline on a loaded machine.
@settings(deadline=None)
@given(valid_applications)
def test_every_valid_application_has_finite_derived_features(valid: dict[str, object]) -> None:
    derived = derive_features(applications_frame([valid]))
    assert np.isfinite(derived[list(DERIVED)].to_numpy()).all()


def test_ratios_follow_their_formulas() -> None:
    row = derive_features(
        applications_frame(
            [
                application(
                    income_annum=1_000_000,
                    loan_amount=3_000_000,
                    loan_term=10,
                    residential_assets_value=1_000_000,
                    commercial_assets_value=500_000,
                    luxury_assets_value=300_000,
                    bank_asset_value=200_000,
                )
            ]
        )
    ).iloc[0]
    assert row["loan_to_income"] == 3.0
    assert row["repayment_to_income"] == 0.3
    assert row["annual_repayment"] == 300_000
    assert row["total_assets"] == 2_000_000
    assert row["loan_to_assets"] == 1.5


def test_a_post_graduate_counts_as_a_graduate() -> None:
    folded = derive_features(applications_frame([application(education="Post Graduate")]))
    assert folded["education"].tolist() == ["Graduate"]


def test_the_input_is_not_modified() -> None:
    frame = applications_frame([application(education="Post Graduate")])
    derive_features(frame)
    assert frame["education"].tolist() == ["Post Graduate"]
    assert not set(DERIVED) & set(frame.columns)


def test_the_order_of_an_application_s_fields_does_not_matter() -> None:
    straight, reverse = application(), dict(reversed(application().items()))
    assert applications_frame([straight]).equals(applications_frame([reverse]))
