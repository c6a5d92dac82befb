"""What-if finds the smallest change that reverses a decision, and only changes that do."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from loan_api.credit.form import Form, parse_form
from loan_api.credit.frame import applications_frame
from loan_api.credit.reference import ReferenceDistribution
from loan_api.scoring.columns import Application, Columns, columns_of
from loan_api.scoring.what_if import Change, WhatIf, WhatIfSearch, readable_step

FORM = parse_form(
    """
    form = { name = "small" }
    outcome = { column = "good", approved = "1", rejected = "0" }
    features.amount = { type = "number", description = "A.", minimum = 1, maximum = 1e9, actionable = true }
    features.years = { type = "integer", description = "Y.", minimum = 1, maximum = 60, actionable = true }
    features.rate = { type = "number", description = "R", minimum = 0, maximum = 1, optional = true, actionable = true }
    features.kind = { type = "category", description = "K.", values = ["a", "b", "c", "d"], actionable = true }
    features.age = { type = "integer", description = "G.", minimum = 18, maximum = 99 }
    """
)
LOW = {"amount": 1000, "years": 2, "rate": 0.01, "kind": "a", "age": 18}
HIGH = {"amount": 41_000, "years": 30, "rate": 0.05, "kind": "b", "age": 80}
SEEN_C = LOW | {"kind": "c"}
REFERENCE = ReferenceDistribution.of(
    FORM, applications_frame(FORM, [LOW, HIGH, SEEN_C]), np.array([0.1, 0.9, 0.5]), threshold=0.5
)
SENT = {"amount": 30_000, "years": 10, "rate": 0.03, "kind": "a", "age": 40}


class Formula:
    """Scorer that computes the probability with a function of columns."""

    name = "formula"
    relevant_features = None

    def __init__(self, form: Form, compute: Any) -> None:
        self._form = form
        self._compute = compute

    def probability(self, application: Application) -> float:
        return float(self.probabilities(columns_of(self._form, [application]))[0])

    def probabilities(self, applications: Columns) -> NDArray[np.float64]:
        return np.asarray(self._compute(applications), dtype=np.float64)


def search(compute: Any, sent: Application = SENT) -> WhatIf:
    scorer = Formula(FORM, compute)
    found = WhatIfSearch(FORM, scorer, REFERENCE).search(sent, lambda _, probabilities: probabilities >= 0.5)
    changed = dict(sent) | {change.feature: change.new for change in found.changes}
    for change in found.changes:
        alone = changed if found.together else {**sent, change.feature: change.new}
        assert change.old == sent[change.feature]
        assert change.probability == scorer.probability(alone) >= 0.5
    return found


def test_the_smallest_change_of_each_feature_is_found() -> None:
    """Approval requires an amount of at most 24,130, at least 17 years, or a rate below 0.0204."""

    def compute(columns: Columns) -> Any:
        return (columns["amount"] <= 24_130) | (columns["years"] >= 17) | (columns["rate"] < 0.0204)

    found = search(compute)
    assert not found.together
    assert found.changes == [
        Change("amount", 30_000, 24_100, 1.0),
        Change("years", 10, 17, 1.0),
        Change("rate", 0.03, 0.0203, 1.0),
    ]


def test_the_nearer_of_two_directions_is_taken() -> None:
    assert search(lambda columns: (columns["years"] <= 8) | (columns["years"] >= 11)).changes == [
        Change("years", 10, 11, 1.0)
    ]


def test_the_likeliest_category_is_chosen_among_those_seen() -> None:
    found = search(lambda columns: np.array([0.1, 0.6, 0.7, 0.9])[columns["kind"]])
    assert found.changes == [Change("kind", "a", "c", 0.7)]


def test_values_outside_the_training_data_are_not_proposed() -> None:
    assert search(lambda columns: (columns["years"] > 30) | (columns["amount"] > 41_000)).changes == []


def test_features_that_the_applicant_cannot_change_stay() -> None:
    assert search(lambda columns: columns["age"] > 50).changes == []


def test_a_pair_is_found_if_no_single_change_suffices() -> None:
    found = search(lambda columns: (columns["amount"] <= 25_050) & (columns["years"] >= 15))
    assert found.together
    assert found.changes == [Change("amount", 30_000, 25_000, 1.0), Change("years", 10, 15, 1.0)]


def test_the_smallest_of_all_pairs_is_found() -> None:
    def compute(columns: Columns) -> Any:
        near = (columns["years"] >= 11) & (columns["rate"] <= 0.0295)
        return near | ((columns["amount"] <= 2000) & (columns["kind"] == 2))

    found = search(compute)
    assert [(change.feature, change.new) for change in found.changes] == [("years", 11), ("rate", 0.0295)]


def test_a_pair_of_number_and_category_is_found() -> None:
    found = search(lambda columns: (columns["amount"] <= 29_000) & (columns["kind"] == 1))
    assert [(change.feature, change.new) for change in found.changes] == [("amount", 29_000), ("kind", "b")]


def test_a_missing_value_can_be_supplied() -> None:
    found = search(lambda columns: np.where(columns["rate"] <= 0.02, 0.9, 0.1), SENT | {"rate": None})
    assert [(change.feature, change.old) for change in found.changes] == [("rate", None)]


def test_a_change_that_rounds_the_other_way_when_scored_alone_is_not_proposed() -> None:
    """Score 24,100 higher in batches than alone; the next smaller amount is proposed instead."""

    class TwoMinds(Formula):
        def probability(self, application: Application) -> float:
            return 0.4 if application["amount"] == 24_100 else super().probability(application)

    scorer = TwoMinds(FORM, lambda columns: columns["amount"] <= 24_100)
    found = WhatIfSearch(FORM, scorer, REFERENCE).search(SENT, lambda _, probabilities: probabilities >= 0.5)
    assert found.changes == [Change("amount", 30_000, 24_000, 1.0)]


@pytest.mark.parametrize(
    ("span", "steps", "step"),
    [
        (40_000, 400, 100),
        (40_001, 400, 200),
        (39_200_000, 400, 100_000),
        (0.04, 400, 0.0001),
        (28, 60, 0.5),
        (0, 60, 1),
    ],
)
def test_steps_are_those_a_person_would_use(span: float, steps: int, step: float) -> None:
    assert readable_step(span, steps) == pytest.approx(step)
