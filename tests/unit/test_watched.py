"""Single and batch decisions are counted identically."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loan_api.credit.form import Form
from loan_api.credit.frame import applications_frame
from loan_api.credit.reference import ReferenceDistribution
from loan_api.scoring.columns import columns_of
from loan_api.scoring.watched import CONFUSION, WatchedDistribution
from tests.support.fakes import reference
from tests.support.forms import SHIPPED, SMALL
from tests.support.valid_applications import valid_applications

REFERENCES = {
    SHIPPED: reference(),
    SMALL: ReferenceDistribution.of(
        SMALL,
        applications_frame(SMALL, [SMALL.example() | {"age": age} for age in (None, 20, 30)]),
        np.array([0.0, 0.5, 1.0]),
        threshold=0.5,
    ),
}


@pytest.mark.parametrize("form", REFERENCES, ids=lambda form: form.name)
def test_single_counts_add_up_to_the_batch_counts(form: Form) -> None:
    watched = WatchedDistribution(form, REFERENCES[form])

    @settings(deadline=None)
    @given(st.lists(st.tuples(valid_applications(form), st.floats(0, 1)), min_size=1, max_size=20))
    def check(decisions: list[tuple[dict[str, Any], float]]) -> None:
        probabilities = np.array([probability for _, probability in decisions])
        predictions = (probabilities >= 0.5).astype(np.int8)
        one_by_one = np.zeros(watched.size)
        for (application, probability), prediction in zip(decisions, predictions.tolist(), strict=True):
            for place in watched.places(application, probability):
                one_by_one[place] += 1
            place, rejected, approved = watched.expected(prediction, probability)
            one_by_one[place] += rejected
            one_by_one[place + 1] += approved
        columns = columns_of(form, [application for application, _ in decisions])
        together = watched.counts(columns, probabilities, predictions)
        assert together == pytest.approx(one_by_one, abs=1e-9)
        named = watched.named(together)
        assert tuple(named.features) == form.names
        for bins in (*named.features.values(), named.score):
            assert sum(bins.values()) == len(decisions)
        for name, bins in named.features.items():
            assert bins["missing"] == sum(application[name] is None for application, _ in decisions)
        assert tuple(named.expected) == CONFUSION
        assert sum(named.expected.values()) == pytest.approx(len(decisions))

    check()


def test_bins_and_expected_outcomes_are_labelled() -> None:
    watched = WatchedDistribution(SHIPPED, reference())
    folded = next(category for category in SHIPPED.categories if category.folds)
    odd = SHIPPED.example() | {folded.name: next(iter(folded.folds)), "loan_term": 50, "income_annum": 1_000_000}
    counts = watched.counts(columns_of(SHIPPED, [odd, odd]), np.array([0.25, 0.75]), np.array([0, 1]))
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


def test_missing_values_lie_outside_unless_the_training_data_has_some() -> None:
    """The small form's reference has a missing age, and the same of everything else."""
    watched = WatchedDistribution(SMALL, REFERENCES[SMALL])
    example = SMALL.example() | {"age": 20}
    assert watched.outside(example) == []
    assert watched.outside(example | {"age": None}) == []
    assert watched.outside(example | {"income": None, "housing": None}) == ["income", "housing"]


def test_models_from_before_ranges_were_kept_use_the_edges_of_their_bins() -> None:
    kept = reference().to_json()
    del kept["ranges"]
    watched = WatchedDistribution(SHIPPED, ReferenceDistribution.from_json(kept))
    assert watched.outside(SHIPPED.example() | {"loan_term": 21}) == []
    assert watched.outside(SHIPPED.example() | {"loan_term": 22}) == ["loan_term"]
