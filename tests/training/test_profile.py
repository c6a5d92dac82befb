"""The data version describes the data to machines and people without any applicant's values."""

import json
from io import BytesIO

import pytest

from tests.support.forms import SHIPPED
from training.data.dataset import Dataset
from training.data.profile import DataProfile, profile_dataset
from training.data.report import profile_page, profile_picture
from training.data.split import split_dataset


@pytest.fixture(scope="module")
def profile(small_dataset: Dataset) -> DataProfile:
    return profile_dataset(small_dataset, split_dataset(small_dataset))


def test_counts_add_up(profile: DataProfile, small_dataset: Dataset) -> None:
    rows = len(small_dataset.outcomes)
    assert profile.rows_read == profile.rows_kept + sum(profile.rows_dropped.values())
    assert profile.rows_kept == rows == profile.rows_train + profile.rows_holdout == sum(profile.outcomes.values())
    for feature in profile.features:
        assert sum(feature.histogram["counts"].values()) == rows
        assert sum(feature.approved.values()) == profile.outcomes["approved"]


def test_every_feature_is_summarised(profile: DataProfile, small_dataset: Dataset) -> None:
    assert tuple(feature.name for feature in profile.features) == SHIPPED.names
    score = next(feature for feature in profile.features if feature.name == "cibil_score")
    values = small_dataset.applications["cibil_score"]
    assert score.quantiles is not None
    assert score.quantiles["50%"] == values.median()
    assert (score.mean, score.spread) == (values.mean(), values.std())
    assert (score.missing, score.distinct) == (0, values.nunique())
    education = next(feature for feature in profile.features if feature.name == "education")
    assert education.quantiles is None
    assert education.mean is None


def test_it_is_plain_json(profile: DataProfile) -> None:
    assert json.loads(json.dumps(profile.to_json()))["dataset_digest"] == profile.dataset_digest


def test_the_page_needs_nothing_from_elsewhere_and_names_everything(profile: DataProfile) -> None:
    page = profile_page(profile)
    assert profile.dataset_digest in page
    assert all(name in page for name in SHIPPED.names)
    assert all(step in page for step in profile.transformations)
    assert "http" not in page
    assert "<script" not in page


def test_the_picture_is_one(profile: DataProfile) -> None:
    png = BytesIO()
    profile_picture(profile).savefig(png, format="png")
    assert len(png.getvalue()) > 10_000
