"""The importance in the model card is computed by the method that explains decisions."""

import numpy as np
import pytest
from numpy.typing import NDArray

from loan_api.scoring.attribution import Attributor
from loan_api.scoring.columns import Application, Columns
from loan_api.scoring.pipeline import frame_columns
from loan_api.scoring.profiles import ReferenceProfiles
from tests.support.forms import SHIPPED
from training.data.dataset import Dataset
from training.data.split import split_dataset
from training.registry.importance import group_importance


class TwoGroups:
    """Scorer that uses the credit score, and a little of the loan term."""

    name = "two"
    relevant_features = None

    def probability(self, application: Application) -> float:
        raise AssertionError("importance scores batches")

    def probabilities(self, applications: Columns) -> NDArray[np.float64]:
        probabilities: NDArray[np.float64] = (applications["cibil_score"] - 300) / 700 + applications["loan_term"] / 400
        return probabilities


def test_it_is_the_mean_absolute_contribution_on_the_holdout(small_dataset: Dataset) -> None:
    split = split_dataset(small_dataset)
    profiles = ReferenceProfiles((1.0,), (SHIPPED.example(),))
    importance = group_importance(split, TwoGroups(), profiles)
    columns = frame_columns(SHIPPED, split.holdout_applications)
    contributions = Attributor(SHIPPED, TwoGroups(), profiles).attribute(columns).contributions
    expected = dict(zip([group.name for group in SHIPPED.groups], np.abs(contributions).mean(axis=0), strict=True))
    assert importance == pytest.approx(expected)
    assert list(importance)[:2] == ["credit_score", "affordability"]
    assert importance["savings"] < 1e-15
