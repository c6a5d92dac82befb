"""Every value falls into exactly one bin."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_api.credit.bins import ABOVE, BELOW, MISSING, SCORE_BINS, UNSEEN, CategoryBins, NumberBins, bins_of
from loan_api.credit.features import CATEGORIES, FEATURES, NUMBERS

TENS = NumberBins((0, 10, 20))


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (0, "[0, 10)"),
        (9.999, "[0, 10)"),
        (10, "[10, 20]"),
        (20, "[10, 20]"),
        (20.001, ABOVE),
        (math.inf, ABOVE),
        (-0.001, BELOW),
        (-math.inf, BELOW),
        (math.nan, MISSING),
        (None, MISSING),
    ],
)
def test_a_number_is_counted_in_its_bin(value: float | None, label: str) -> None:
    assert dict(zip(TENS.labels, TENS.count([value]), strict=True))[label] == 1


@pytest.mark.parametrize(
    ("value", "label"), [("Yes", "Yes"), ("No", "No"), ("Perhaps", UNSEEN), ("yes", UNSEEN), (None, MISSING)]
)
def test_a_category_is_counted_in_its_bin(value: str | None, label: str) -> None:
    bins = CategoryBins(("Yes", "No"))
    assert dict(zip(bins.labels, bins.count([value]), strict=True))[label] == 1


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True)))
def test_no_number_is_lost_or_counted_twice(values: list[float]) -> None:
    assert NUMBERS
    for number in NUMBERS:
        assert bins_of(number).count(values).sum() == len(values)


def test_a_value_that_the_training_data_never_shows_is_unseen() -> None:
    bins = bins_of(next(category for category in CATEGORIES if category.folds))
    assert dict(zip(bins.labels, bins.count(["Post Graduate"]), strict=True))[UNSEEN] == 1


def test_labels_are_unique_and_edges_ascend() -> None:
    assert NUMBERS
    for feature in FEATURES:
        labels = bins_of(feature).labels
        assert len(set(labels)) == len(labels)
    for number in NUMBERS:
        assert list(number.bins) == sorted(set(number.bins))


def test_every_probability_has_a_bin() -> None:
    counts = dict(zip(SCORE_BINS.labels, SCORE_BINS.count(np.linspace(0, 1, 101)), strict=True))
    assert counts[BELOW] == counts[ABOVE] == counts[MISSING] == 0
    assert counts["[0.9, 1]"] == 11
