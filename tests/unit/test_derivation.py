"""Derived features are finite and correct for every valid application."""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loan_api.credit.derivation import MISSING_CATEGORY, derive_features
from loan_api.credit.form import Form
from loan_api.credit.frame import applications_frame
from tests.support.applications import application
from tests.support.forms import GERMAN, SHIPPED, SMALL
from tests.support.valid_applications import valid_applications

DERIVED = [derived.name for derived in SHIPPED.derived]


def derived_from(form: Form, applications: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    return derive_features(applications_frame(form, applications), form.derivation())


# The first example includes the import of pandas, which exceeds the deadline on a loaded machine.
@settings(deadline=None)
@given(valid_applications())
def test_every_valid_application_has_finite_derived_features(valid: dict[str, object]) -> None:
    derived = derived_from(SHIPPED, [valid])
    assert np.isfinite(derived[DERIVED].to_numpy()).all()


def test_ratios_follow_their_formulas() -> None:
    given_values = application(
        income_annum=1_000_000,
        loan_amount=3_000_000,
        loan_term=10,
        residential_assets_value=1_000_000,
        commercial_assets_value=500_000,
        luxury_assets_value=300_000,
        bank_asset_value=200_000,
    )
    row = derived_from(SHIPPED, [given_values]).iloc[0]
    assert row["loan_to_income"] == 3.0
    assert row["repayment_to_income"] == 0.3
    assert row["annual_repayment"] == 300_000
    assert row["total_assets"] == 2_000_000
    assert row["loan_to_assets"] == 1.5


def test_a_post_graduate_counts_as_a_graduate() -> None:
    folded = derived_from(SHIPPED, [application(education="Post Graduate")])
    assert folded["education"].tolist() == ["Graduate"]


def test_the_input_is_not_modified() -> None:
    frame = applications_frame(SHIPPED, [application(education="Post Graduate")])
    derive_features(frame, SHIPPED.derivation())
    assert frame["education"].tolist() == ["Post Graduate"]
    assert not set(DERIVED) & set(frame.columns)


def test_the_order_of_an_application_s_fields_does_not_matter() -> None:
    straight, reverse = application(), dict(reversed(application().items()))
    assert applications_frame(SHIPPED, [straight]).equals(applications_frame(SHIPPED, [reverse]))


def test_missing_values_pass_through_formulas_and_folds() -> None:
    derived = derived_from(
        SMALL,
        [
            SMALL.example() | {"amount": 1200, "months": 24, "income": 500, "age": 25, "purpose": "used car"},
            SMALL.example() | {"income": None, "age": None, "housing": None},
            SMALL.example() | {"income": 0, "age": None, "housing": "own"},
        ],
    )
    assert derived["burden"].tolist()[0] == 0.1
    # An income of zero cannot carry any rate: the division yields missing.
    assert np.isnan(derived["burden"].tolist()[1:]).all()
    assert derived["unknown_income"].tolist() == [0, 1, 0]
    np.testing.assert_array_equal(derived["young_renter"].to_numpy(), [1, np.nan, 0])
    assert derived["purpose"].tolist() == ["car", "home", "home"]
    assert derived["housing"].tolist() == ["rent", MISSING_CATEGORY, "own"]


@pytest.mark.parametrize("form", [SHIPPED, GERMAN, SMALL], ids=lambda form: form.name)
def test_a_pipeline_derives_the_same_bits_as_the_form_s_formulas(form: Form) -> None:
    @settings(deadline=None, max_examples=50)
    @given(st.lists(valid_applications(form), min_size=1, max_size=5))
    def check(rows: list[dict[str, Any]]) -> None:
        derived = derived_from(form, rows)
        for place, row in enumerate(rows):
            values = scalars(form, row)
            for feature in form.derived:
                values[feature.name] = feature.formula.of_application(values)
                assert struct.pack("d", derived[feature.name].iloc[place]) == struct.pack("d", values[feature.name])

    check()


def scalars(form: Form, row: Mapping[str, Any]) -> dict[str, float]:
    """Return the application as expressions take it: missing numbers as NaN, categories as codes."""
    values = {number.name: math.nan if row[number.name] is None else float(row[number.name]) for number in form.numbers}
    return values | {category.name: form.codes[category.name][row[category.name]] for category in form.categories}
