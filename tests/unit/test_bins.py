"""Every value falls into exactly one bin."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_api.credit.bins import ABOVE, BELOW, MISSING, SCORE_BINS, UNSEEN, CategoryBins, NumberBins, bins_of
from loan_api.credit.features import NumberFeature
from tests.support.forms import GERMAN, SHIPPED, SMALL

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
    numbers = [*SHIPPED.numbers, *SMALL.numbers]
    assert numbers
    for number in numbers:
        assert bins_of(number, [1, 2, 3]).count(values).sum() == len(values)


def test_a_value_that_the_training_data_never_shows_is_unseen() -> None:
    bins = bins_of(next(category for category in SHIPPED.categories if category.folds), [])
    assert dict(zip(bins.labels, bins.count(["Post Graduate"]), strict=True))[UNSEEN] == 1


def test_labels_are_unique_and_edges_ascend() -> None:
    features = [*SHIPPED.features, *GERMAN.features, *SMALL.features]
    assert features
    for feature in features:
        bins = bins_of(feature, [20, 30, math.nan, 40] if isinstance(feature, NumberFeature) else [])
        assert len(set(bins.labels)) == len(bins.labels)
        if isinstance(bins, NumberBins):
            assert list(bins.edges) == sorted(set(bins.edges))


def test_a_number_without_declared_bins_is_counted_in_deciles_of_the_data() -> None:
    age = next(number for number in SMALL.numbers if number.name == "age")
    bins = bins_of(age, [*range(20, 31), math.nan])
    assert isinstance(bins, NumberBins)
    assert bins.edges == tuple(range(20, 31))


@pytest.mark.parametrize(
    ("values", "edges"),
    [
        ([30, 30, 30], (30, 31)),
        ([math.nan, math.nan], (18, 120)),
        ([0.0] * 95 + [1.0, 2.0, 3.0, 4.0, 5.0], (0.0, 5.0)),
    ],
    ids=["a constant", "nothing but missing values", "mostly one value"],
)
def test_poor_data_still_has_bins(values: list[float], edges: tuple[float, ...]) -> None:
    age = next(number for number in SMALL.numbers if number.name == "age")
    bins = bins_of(age, values)
    assert isinstance(bins, NumberBins)
    assert bins.edges == edges
    assert bins.count(values).sum() == len(values)


def test_every_probability_has_a_bin() -> None:
    counts = dict(zip(SCORE_BINS.labels, SCORE_BINS.count(np.linspace(0, 1, 101)), strict=True))
    assert counts[BELOW] == counts[ABOVE] == counts[MISSING] == 0
    assert counts["[0.9, 1]"] == 11
