"""The population stability index agrees with the literature."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_api.credit.drift import noise_level, population_stability_index

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


@pytest.mark.parametrize(("bins", "quantile"), [(2, 10.828), (10, 27.877), (31, 59.703)])
def test_the_noise_level_follows_the_chi_square_distribution(bins: int, quantile: float) -> None:
    """Compare with the tabulated 99.9% quantile; empty bins of the reference do not count."""
    noise = noise_level([*[100] * bins, 0], [*[50] * bins, 0])
    assert noise == pytest.approx(quantile * (1 / (100 * bins) + 1 / (50 * bins)), rel=0.04)


def test_by_chance_the_noise_level_is_hardly_ever_exceeded() -> None:
    random = np.random.default_rng(11)
    shares = np.full(10, 0.1)
    exceeded = 0
    for _ in range(2000):
        one, other = random.multinomial(5000, shares), random.multinomial(2000, shares)
        exceeded += population_stability_index(one, other) > noise_level(one, other)
    assert exceeded <= 10


def test_a_single_bin_has_no_noise() -> None:
    assert noise_level([5, 0], [3, 0]) == 0
    assert noise_level([5, 5], [0, 0]) == 0
