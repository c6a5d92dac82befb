"""Reference profiles are typical approved applications, and never an applicant's."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from loan_api.credit.form import parse_form
from loan_api.scoring.columns import row_count
from loan_api.scoring.profiles import MOST_PROFILES
from loan_api.settings import PROJECT_ROOT
from tests.support.forms import GERMAN
from training.data.dataset import Dataset, read_dataset
from training.data.split import Split, split_dataset
from training.registry.profiles import reference_profiles


@pytest.fixture(scope="module", params=["shipped", "german"])
def split(request: pytest.FixtureRequest, small_dataset: Dataset) -> Split:
    if request.param == "shipped":
        return split_dataset(small_dataset)
    return split_dataset(read_dataset(GERMAN, PROJECT_ROOT / "dataset" / "german_credit.csv"))


def scores_of(split: Split) -> NDArray[np.float64]:
    random = np.random.RandomState(1)
    return 0.5 * split.train_outcomes.to_numpy() + 0.5 * random.random_sample(len(split.train_outcomes))


def test_they_are_valid_and_weighted(split: Split) -> None:
    profiles = reference_profiles(split, scores_of(split), 0.5)
    assert profiles is not None
    assert 1 < len(profiles.profiles) <= MOST_PROFILES
    assert sum(profiles.weights) == pytest.approx(1, abs=1e-12)
    assert row_count(profiles.columns(split.form)) == len(profiles.profiles)


def test_none_is_an_applicant(split: Split) -> None:
    profiles = reference_profiles(split, scores_of(split), 0.5)
    assert profiles is not None
    everyone = pd.concat([split.train_applications, split.holdout_applications])
    for profile in profiles.profiles:
        same = np.logical_and.reduce([everyone[name] == value for name, value in profile.items()])
        assert not same.any()


def test_each_stands_for_ten_approved_applications_nearest_the_threshold(split: Split) -> None:
    """Within the range of the nearest, because they are means of them; the weights are shares of ten or more."""
    scores = scores_of(split)
    profiles = reference_profiles(split, scores, 0.5)
    assert profiles is not None
    approved = (split.train_outcomes.to_numpy() == 1) & (scores >= 0.5)
    most = 2 * 10 * MOST_PROFILES
    nearest = split.train_applications[approved].iloc[np.argsort(scores[approved])[:most]]
    for number in split.form.numbers:
        values = [profile[number.name] for profile in profiles.profiles]
        assert nearest[number.name].min() - 0.5 <= min(values)
        assert max(values) <= nearest[number.name].max() + 0.5
    assert min(profiles.weights) * len(nearest) > 9.999


def test_a_score_that_cannot_tell_who_is_near_uses_everyone_approved(split: Split) -> None:
    scores = np.where(split.train_outcomes.to_numpy() == 1, 0.99, 0.01)
    profiles = reference_profiles(split, scores, 0.5)
    assert profiles is not None
    approved = split.train_applications[split.train_outcomes == 1]
    for number in split.form.numbers:
        mean = np.dot(profiles.weights, [profile[number.name] for profile in profiles.profiles])
        # Whole numbers are rounded, and a profile that equals an applicant is left out.
        assert mean == pytest.approx(approved[number.name].mean(), rel=0.1, abs=0.6)


def test_a_form_whose_every_application_has_been_made_has_none() -> None:
    form = parse_form(
        """
        form = { name = "tiny" }
        outcome = { column = "good", approved = "1", rejected = "0" }
        features.owner = { type = "category", description = "Owner.", values = ["yes", "no"] }
        """
    )
    applications = pd.DataFrame({"owner": ["yes", "no"] * 50})
    outcomes = pd.Series([1, 0] * 50)
    split = Split(form, applications, outcomes, applications[:2], outcomes[:2])
    assert reference_profiles(split, np.full(100, 0.7), 0.5) is None


def test_missing_values_are_left_out_of_means() -> None:
    form = parse_form(
        """
        form = { name = "gaps" }
        outcome = { column = "good", approved = "1", rejected = "0" }
        features.a = { type = "number", description = "A.", minimum = 0, maximum = 100, optional = true }
        features.b = { type = "number", description = "B.", minimum = 0, maximum = 100, optional = true }
        """
    )
    random = np.random.RandomState(0)
    applications = pd.DataFrame({"a": random.random_sample(200) * 100, "b": [np.nan] * 200})
    applications.loc[::3, "a"] = np.nan
    outcomes = pd.Series([1] * 180 + [0] * 20)
    profiles = reference_profiles(Split(form, applications, outcomes, applications, outcomes), np.full(200, 0.7), 0.5)
    assert profiles is not None
    assert all(profile["b"] is None for profile in profiles.profiles)
    assert any(profile["a"] is not None for profile in profiles.profiles)
    assert row_count(profiles.columns(form)) == len(profiles.profiles)


def test_the_same_data_gives_the_same_profiles(split: Split) -> None:
    first, second = (reference_profiles(split, scores_of(split), 0.5) for _ in range(2))
    assert first == second
