"""The reliability diagram compares probabilities with outcomes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_api.credit.reliability import Reliability, ReliabilityBin


def test_probabilities_are_grouped_by_tenths_without_empty_ones() -> None:
    made = Reliability.of([0.02, 0.04, 0.5, 0.51, 0.58, 1.0], [0, 0, 1, 0, 1, 1])
    assert [each.applications for each in made.bins] == [2, 3, 1]
    assert [each.predicted for each in made.bins] == pytest.approx([0.03, 0.53, 1.0])
    assert [each.observed for each in made.bins] == pytest.approx([0, 2 / 3, 1])


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_no_application_is_lost_and_intervals_hold_their_share(rows: list[tuple[float, bool]]) -> None:
    probabilities, outcomes = zip(*rows, strict=True)
    made = Reliability.of(probabilities, outcomes)
    assert sum(each.applications for each in made.bins) == len(rows)
    assert sum(each.applications * each.observed for each in made.bins) == pytest.approx(sum(outcomes))
    assert sum(each.applications * each.predicted for each in made.bins) == pytest.approx(sum(probabilities))
    for each in made.bins:
        low, high = each.interval
        assert 0 <= low <= each.observed + 1e-12
        assert each.observed - 1e-12 <= high <= 1


def test_the_interval_is_wilson_s() -> None:
    """Compare with the textbook's example: 8 of 10 give 0.490 to 0.943."""
    assert ReliabilityBin(10, 0.5, 0.8).interval == pytest.approx((0.490, 0.943), abs=5e-4)
    assert ReliabilityBin(1, 0.5, 0.0).interval[0] == 0


def test_calibrated_probabilities_lie_on_the_diagonal() -> None:
    random = np.random.default_rng(7)
    probabilities = random.random(200_000)
    made = Reliability.of(probabilities, random.random(200_000) < probabilities)
    assert len(made.bins) == 10
    for each in made.bins:
        assert each.observed == pytest.approx(each.predicted, abs=0.01)
