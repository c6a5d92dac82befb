"""An application's own content decides its side of the split, permanently."""

import dataclasses

import pandas as pd
import pytest

from training.data.dataset import Dataset, row_texts
from training.data.split import HOLDOUT_SHARE, split_dataset
from training.errors import DatasetError


def part(dataset: Dataset, rows: pd.Series) -> Dataset:
    return dataclasses.replace(dataset, applications=dataset.applications[rows], outcomes=dataset.outcomes[rows])


def test_it_is_complete_disjoint_and_about_a_fifth(small_dataset: Dataset) -> None:
    split = split_dataset(small_dataset)
    train, holdout = split.train_applications.index, split.holdout_applications.index
    assert sorted([*train, *holdout]) == sorted(small_dataset.applications.index)
    assert list(split.train_outcomes.index) == list(train)
    assert list(split.holdout_outcomes.index) == list(holdout)
    assert abs(len(holdout) / len(small_dataset.outcomes) - HOLDOUT_SHARE) < 0.05


def test_an_application_stays_on_its_side_when_others_come_or_go(small_dataset: Dataset) -> None:
    half = part(small_dataset, pd.Series(range(len(small_dataset.outcomes)), small_dataset.outcomes.index) % 2 == 0)
    held_out, all_held_out = (
        set(row_texts(split_dataset(dataset).holdout_applications)) for dataset in (half, small_dataset)
    )
    assert held_out == all_held_out & set(row_texts(half.applications))


def test_the_outcome_has_no_say(small_dataset: Dataset) -> None:
    opposite = dataclasses.replace(small_dataset, outcomes=1 - small_dataset.outcomes)
    one, other = (split_dataset(dataset).holdout_applications for dataset in (small_dataset, opposite))
    pd.testing.assert_frame_equal(one, other)


def test_too_few_of_one_outcome_are_refused(small_dataset: Dataset) -> None:
    few = small_dataset.outcomes[small_dataset.outcomes == 0].index[:9]
    scarce = part(small_dataset, (small_dataset.outcomes == 1) | small_dataset.outcomes.index.isin(few))
    with pytest.raises(DatasetError, match=r"the rarer outcome has \d applications in the training set; at least 10"):
        split_dataset(scarce)


def test_a_holdout_without_one_of_the_outcomes_is_refused(small_dataset: Dataset) -> None:
    split = split_dataset(small_dataset)
    rejected = split.holdout_outcomes[split.holdout_outcomes == 0].index
    scarce = part(small_dataset, ~small_dataset.outcomes.index.to_series().isin(rejected))
    with pytest.raises(DatasetError, match="the rarer outcome has 0 applications in the holdout; at least 1"):
        split_dataset(scarce)
