"""The population stability index agrees with the literature."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_api.credit.drift import population_stability_index

counts = st.lists(st.integers(0, 1000), min_size=3, max_size=3).filter(any)


def test_it_follows_the_formula() -> None:
    expected = (0.6 - 0.5) * math.log(0.6 / 0.5) + (0.4 - 0.5) * math.log(0.4 / 0.5)
    assert population_stability_index([50, 50], [6, 4]) == pytest.approx(expected)


@given(counts)
def test_a_distribution_does_not_differ_from_itself_whatever_its_size(histogram: list[int]) -> None:
    assert population_stability_index(histogram, [10 * count for count in histogram]) == pytest.approx(0)


@given(counts, counts)
def test_it_is_symmetric_finite_and_never_negative(one: list[int], other: list[int]) -> None:
    psi = population_stability_index(one, other)
    assert psi == pytest.approx(population_stability_index(other, one))
    assert 0 <= psi < math.inf


def test_incomparable_histograms_are_rejected() -> None:
    with pytest.raises(ValueError, match="different bins"):
        population_stability_index([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="empty histogram"):
        population_stability_index([0, 0], [1, 2])
