"""Contributions are Shapley values of the scorer's own probabilities, as defined by their formula."""

import warnings
from collections.abc import Callable
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from loan_api.credit.form import Form, parse_form
from loan_api.scoring.attribution import MOST_EXACT_GROUPS, Attributor, all_coalitions, prefixes, shapley_weights
from loan_api.scoring.columns import Application, Columns, applications_of, columns_of, row_count
from loan_api.scoring.profiles import ReferenceProfiles
from tests.support.forms import GERMAN, SHIPPED, SMALL
from training.registry.golden import probe_applications

FORMS = pytest.mark.parametrize("form", [SHIPPED, SMALL], ids=lambda form: form.name)


class Curved:
    """Scorer with interactions between all features; counts the rows that it scores."""

    name = "curved"
    relevant_features: frozenset[str] | None = None

    def __init__(self, form: Form) -> None:
        self._form = form
        self.scored = 0

    def probability(self, application: Application) -> float:
        return float(self.probabilities(columns_of(self._form, [application]))[0])

    def probabilities(self, applications: Columns) -> NDArray[np.float64]:
        self.scored += row_count(applications)
        total = np.zeros(row_count(applications))
        for place, name in enumerate(self._form.names):
            values = np.nan_to_num(applications[name].astype(np.float64), nan=7.0)
            total += np.sin(place + values * (1 + 0.01 * total))
        return 1 / (1 + np.exp(-total))


def applications_for(form: Form, count: int, start: int = 0) -> list[Any]:
    edges = {number.name: (number.minimum, number.maximum) for number in form.numbers}
    return probe_applications(form, edges)[start : start + count]


def profiles_for(form: Form, count: int = 5) -> ReferenceProfiles:
    weights = np.arange(1, count + 1) / sum(range(1, count + 1))
    return ReferenceProfiles(weights.tolist(), applications_for(form, count))


def by_the_formula(form: Form, scorer: Curved, profiles: ReferenceProfiles, application: Application) -> list[float]:
    """Compute the Shapley values one mixture at a time, directly from the definition."""
    groups = [group.features for group in form.groups]

    def value(coalition: frozenset[int]) -> float:
        taken = [name for place in coalition for name in groups[place]]
        mixtures = [{**profile, **{name: application[name] for name in taken}} for profile in profiles.profiles]
        return sum(w * scorer.probability(mixture) for w, mixture in zip(profiles.weights, mixtures, strict=True))

    everyone = range(len(groups))
    values = {
        frozenset(some): value(frozenset(some))
        for size in range(len(groups) + 1)
        for some in combinations(everyone, size)
    }
    total = factorial(len(groups))
    return [
        sum(
            factorial(len(some))
            * factorial(len(groups) - len(some) - 1)
            / total
            * (values[some | {group}] - values[some])
            for some in values
            if group not in some
        )
        for group in everyone
    ]


@FORMS
def test_contributions_equal_the_formula(form: Form) -> None:
    scorer, profiles = Curved(form), profiles_for(form)
    applications = applications_for(form, 3, start=10)
    found = Attributor(form, scorer, profiles).attribute(columns_of(form, applications))
    for row, application in enumerate(applications):
        expected = by_the_formula(form, scorer, profiles, application)
        assert found.contributions[row] == pytest.approx(expected, abs=1e-12)
    assert found.standard_error is None


@FORMS
def test_contributions_equal_those_of_shap(form: Form) -> None:
    """Give shap's exact explainer the same value function, of coalitions instead of applications."""
    scorer, profiles = Curved(form), profiles_for(form)
    (sent,) = applications_for(form, 1, start=15)
    groups = [group.features for group in form.groups]

    def value(coalitions: NDArray[np.float64]) -> NDArray[np.float64]:
        taken = [[name for place in np.flatnonzero(row) for name in groups[place]] for row in coalitions]
        mixtures = [
            {**profile, **{name: sent[name] for name in names}} for names in taken for profile in profiles.profiles
        ]
        scored = scorer.probabilities(columns_of(form, mixtures)).reshape(len(coalitions), len(profiles.profiles))
        means: NDArray[np.float64] = scored @ np.array(profiles.weights)
        return means

    with warnings.catch_warnings():
        # It sets up colours for plots with a function of matplotlib's that is going away.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        from shap.explainers import Exact
    explainer = Exact(value, np.zeros((1, len(groups))))
    expected = explainer(np.ones((1, len(groups))))
    found = Attributor(form, scorer, profiles).attribute(columns_of(form, [sent]))
    assert found.contributions[0] == pytest.approx(expected.values[0], abs=1e-6)
    assert found.baseline == pytest.approx(float(np.ravel(expected.base_values)[0]), abs=1e-6)


@FORMS
def test_baseline_and_contributions_sum_to_the_probability(form: Form) -> None:
    scorer, profiles = Curved(form), profiles_for(form, 20)
    applications = columns_of(form, applications_for(form, 200, start=100))
    found = Attributor(form, scorer, profiles).attribute(applications)
    assert found.probabilities == pytest.approx(scorer.probabilities(applications), abs=1e-12)
    assert found.baseline + found.contributions.sum(axis=1) == pytest.approx(found.probabilities, abs=1e-12)
    baseline = np.array(profiles.weights) @ scorer.probabilities(columns_of(form, profiles.profiles))
    assert found.baseline == pytest.approx(baseline, abs=1e-12)


@FORMS
def test_many_applications_get_the_same_answers_as_each_alone(form: Form) -> None:
    scorer, profiles = Curved(form), profiles_for(form, 20)
    attributor = Attributor(form, scorer, profiles)
    columns = columns_of(form, applications_for(form, 100, start=100))
    together = attributor.attribute(columns).contributions
    for row, application in enumerate(applications_of(form, columns, range(0, 100, 33))):
        alone = attributor.attribute(columns_of(form, [application])).contributions[0]
        assert together[33 * row] == pytest.approx(alone, abs=1e-12)


@FORMS
def test_equal_mixtures_are_scored_once(form: Form) -> None:
    profiles = profiles_for(form, 20)
    scorer = Curved(form)
    attributor = Attributor(form, scorer, profiles)
    for application in [profiles.profiles[0], *applications_for(form, 5, start=50)]:
        mixtures = {
            tuple((application if name in taken else profile)[name] for name in form.names)
            for coalition in all_coalitions(len(form.groups))
            for taken in [{name for place in np.flatnonzero(coalition) for name in form.groups[place].features}]
            for profile in profiles.profiles
        }
        scorer.scored = 0
        attributor.attribute(columns_of(form, [application]))
        assert scorer.scored == len(mixtures)


@pytest.mark.parametrize("known", [None, frozenset({"cibil_score"})])
def test_values_that_do_not_matter_contribute_nothing(known: frozenset[str] | None) -> None:
    class OneFeature(Curved):
        relevant_features = known

        def probabilities(self, applications: Columns) -> NDArray[np.float64]:
            return (applications["cibil_score"] - 300) / 600

    found = Attributor(SHIPPED, OneFeature(SHIPPED), profiles_for(SHIPPED)).attribute(
        columns_of(SHIPPED, applications_for(SHIPPED, 4, start=20))
    )
    names = [group.name for group in SHIPPED.groups]
    others = [place for place, name in enumerate(names) if name != "credit_score"]
    assert np.abs(found.contributions[:, others]).max() < 1e-15
    assert found.contributions[:, names.index("credit_score")] == pytest.approx(found.probabilities - found.baseline)


def test_with_more_groups_they_are_estimated_with_their_error() -> None:
    form = GERMAN.text
    for group in {feature.group for feature in GERMAN.features}:
        form = form.replace(f'group = "{group}"', "")
    many = parse_form(form)
    assert len(many.groups) > MOST_EXACT_GROUPS
    scorer, profiles = Smooth(many), profiles_for(many)
    attributor = Attributor(many, scorer, profiles)
    applications = columns_of(many, applications_for(many, 3, start=30))
    found = attributor.attribute(applications)
    assert not attributor.is_exact
    assert found.standard_error is not None
    assert (found.standard_error > 0).all()
    assert found.baseline + found.contributions.sum(axis=1) == pytest.approx(found.probabilities, abs=1e-12)
    again = attributor.attribute(applications)
    assert (again.contributions == found.contributions).all()


class Smooth(Curved):
    """Scorer with weak interactions."""

    def probabilities(self, applications: Columns) -> NDArray[np.float64]:
        total = np.zeros(row_count(applications))
        for feature in self._form.features:
            values = applications[feature.name].astype(np.float64)
            span = getattr(feature, "maximum", 10) - getattr(feature, "minimum", 0)
            total += (values - getattr(feature, "minimum", 0)) / span - 0.5
        return 1 / (1 + np.exp(-total))


def test_estimates_lie_within_a_few_standard_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare both methods on a form that is small enough for the exact one."""
    form = SHIPPED
    scorer, profiles = Curved(form), profiles_for(form)
    applications = columns_of(form, applications_for(form, 8, start=60))
    exact = Attributor(form, scorer, profiles).attribute(applications).contributions
    monkeypatch.setattr("loan_api.scoring.attribution.MOST_EXACT_GROUPS", 3)
    estimate = Attributor(form, scorer, profiles).attribute(applications)
    assert estimate.standard_error is not None
    errors = np.abs(estimate.contributions - exact).max(axis=1)
    assert errors.max() > 0
    assert (errors < 4 * estimate.standard_error).all()


@pytest.mark.parametrize("groups", [1, 2, 5, 12])
def test_weights_share_out_everything(groups: int) -> None:
    """The weights of a group's gains sum to 1, and those of all groups cancel except for everyone and no one."""
    weights = shapley_weights(groups)
    gains = np.where(all_coalitions(groups).T, weights, 0).sum(axis=1)
    assert gains == pytest.approx(np.ones(groups))
    total = weights.sum(axis=0)
    assert total[[0, -1]] == pytest.approx([-1, 1])
    assert np.abs(total[1:-1]).max(initial=0) < 1e-12


def test_prefixes_let_groups_join_in_order() -> None:
    joined = prefixes(np.array([[2, 0, 1]])).tolist()
    assert joined == [[False] * 3, [False, False, True], [True, False, True], [True] * 3]


VALID = {"weights": [0.25, 0.75], "profiles": [SHIPPED.example(), SHIPPED.example() | {"loan_term": 3}]}


def changed(name: str, value: Any) -> Callable[[Any], Any]:
    return lambda kept: kept | {"profiles": [kept["profiles"][0] | {name: value}, kept["profiles"][1]]}


@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: kept | {"weights": [0.5, 0.4]},
        lambda kept: kept | {"weights": [1.0]},
        lambda kept: kept | {"weights": [1.5, -0.5]},
        lambda kept: kept | {"weights": [float("nan"), 1.0]},
        lambda kept: kept | {"weights": ["a", "b"]},
        lambda kept: {"weights": [], "profiles": []},
        lambda kept: {"weights": [1 / 21] * 21, "profiles": kept["profiles"][:1] * 21},
        lambda kept: {"profiles": kept["profiles"]},
        lambda kept: [],
        changed("cibil_score", 299),
        changed("cibil_score", 500.5),
        changed("cibil_score", None),
        changed("cibil_score", "500"),
        changed("cibil_score", True),
        changed("cibil_score", float("nan")),
        changed("education", "None"),
        changed("unknown", 1),
    ],
)
def test_damaged_profiles_are_refused(damage: Callable[[Any], Any]) -> None:
    assert row_count(ReferenceProfiles.from_json(VALID).columns(SHIPPED)) == 2
    with pytest.raises((ValueError, KeyError, TypeError)):
        ReferenceProfiles.from_json(damage(VALID)).columns(SHIPPED)
