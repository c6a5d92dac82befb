"""The threshold minimises the stated costs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.selection.threshold import choose_threshold

# Two mistakes to choose from: a rejected applicant at 0.62, an approved one at 0.55.
OUTCOMES = np.array([0, 0, 0, 1, 0, 1, 1])
PROBABILITIES = np.array([0.1, 0.3, 0.5, 0.55, 0.62, 0.8, 0.9])


def cost(threshold: float, wrong_approval_cost: float) -> float:
    decisions = threshold <= PROBABILITIES
    return float((~decisions & (OUTCOMES == 1)).sum() + wrong_approval_cost * (decisions & (OUTCOMES == 0)).sum())


@given(st.floats(0.01, 100), st.floats(0.11, 0.89))
def test_no_threshold_between_two_probabilities_is_cheaper(wrong_approval_cost: float, other: float) -> None:
    chosen = choose_threshold(OUTCOMES, PROBABILITIES, wrong_approval_cost)
    assert cost(chosen, wrong_approval_cost) <= cost(other, wrong_approval_cost) + 1e-9


def test_dear_wrong_approvals_raise_it() -> None:
    low, even, high = (choose_threshold(OUTCOMES, PROBABILITIES, cost) for cost in (0.1, 1, 10))
    assert low <= even < high


@pytest.mark.parametrize(("wrong_approval_cost", "exact"), [(1.0, 0.5), (4.0, 0.8), (0.25, 0.2)])
def test_where_the_data_does_not_care_it_is_the_exact_one(wrong_approval_cost: float, exact: float) -> None:
    """Use a perfect tree, which predicts 0 and 1, so that every threshold in between costs the same."""
    chosen = choose_threshold(np.array([0, 0, 1, 1]), np.array([0.0, 0.0, 1.0, 1.0]), wrong_approval_cost)
    assert chosen == pytest.approx(exact)
