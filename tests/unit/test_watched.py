"""Single and batch decisions are counted identically."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_api.credit.features import CATEGORIES, FEATURE_NAMES, example_application
from loan_api.credit.reference import ReferenceDistribution
from loan_api.scoring.columns import columns_of
from loan_api.scoring.watched import CONFUSION, WatchedDistribution
from tests.support.fakes import reference
from tests.support.valid_applications import valid_applications

DECISIONS = st.lists(st.tuples(valid_applications(), st.floats(0, 1)), min_size=1, max_size=20)


@given(DECISIONS)
def test_single_counts_add_up_to_the_batch_counts(decisions: list[tuple[dict[str, Any], float]]) -> None:
    watched = WatchedDistribution(reference())
    probabilities = np.array([probability for _, probability in decisions])
    predictions = (probabilities >= 0.5).astype(np.int8)
    one_by_one = np.zeros(watched.size)
    for (application, probability), prediction in zip(decisions, predictions.tolist(), strict=True):
        for place in watched.places(application, probability):
            one_by_one[place] += 1
        place, rejected, approved = watched.expected(prediction, probability)
        one_by_one[place] += rejected
        one_by_one[place + 1] += approved
    together = watched.counts(columns_of([application for application, _ in decisions]), probabilities, predictions)
    assert together == pytest.approx(one_by_one, abs=1e-9)
    named = watched.named(together)
    assert tuple(named.features) == FEATURE_NAMES
    for bins in (*named.features.values(), named.score):
        assert sum(bins.values()) == len(decisions)
    assert tuple(named.expected) == CONFUSION
    assert sum(named.expected.values()) == pytest.approx(len(decisions))


def test_bins_and_expected_outcomes_are_labelled() -> None:
    watched = WatchedDistribution(reference())
    folded = next(category for category in CATEGORIES if category.folds)
    odd = example_application() | {folded.name: next(iter(folded.folds)), "loan_term": 50, "income_annum": 1_000_000}
    counts = watched.counts(columns_of([odd, odd]), np.array([0.25, 0.75]), np.array([0, 1]))
    named = watched.named(counts)
    assert named.features[folded.name]["unseen"] == 2
    assert named.features["loan_term"]["above"] == 2
    assert named.features["income_annum"]["[1000000, 2000000)"] == 2
    assert named.score["[0.2, 0.3)"] == named.score["[0.7, 0.8)"] == 1
    assert named.expected == {(0, 0): 0.75, (0, 1): 0.25, (1, 0): 0.25, (1, 1): 0.75}


def test_a_reference_without_approval_ratio_is_still_read() -> None:
    kept = reference().to_json()
    del kept["approval_ratio"]
    assert ReferenceDistribution.from_json(kept).approval_ratio is None
    assert reference().approval_ratio == pytest.approx(2 / 3)
    assert reference().applications == 3
