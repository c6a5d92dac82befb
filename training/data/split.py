"""The split into training set and holdout.

A hash of the application's own values decides. An application therefore stays on its side when data is added or
reordered or the seed changes, and no model is judged on an application that any model has learned from.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from loan_api.credit.form import Form
from training.data.dataset import Dataset, row_texts
from training.errors import DatasetError

HOLDOUT_SHARE = 0.2
FOLDS = 5
RULE = (
    f"An application is held out if the first 8 bytes of the SHA-256 of its values, divided by 2^64, are below"
    f" {HOLDOUT_SHARE}. Outcome and seed play no part."
)
_LEAST_OF_EACH_OUTCOME = 2 * FOLDS
_LEAST_HELD_OUT_OF_EACH_OUTCOME = 1


@dataclass(frozen=True)
class Split:
    """Applications of a form (n rows) and outcomes of the training set and of the holdout."""

    form: Form
    train_applications: pd.DataFrame
    train_outcomes: pd.Series
    holdout_applications: pd.DataFrame
    holdout_outcomes: pd.Series


def split_dataset(dataset: Dataset) -> Split:
    """Split the dataset.

    Raises DatasetError if an outcome is too rare to appear in every fold and in the holdout.
    """
    held_out = np.array([_share(text) < HOLDOUT_SHARE for text in row_texts(dataset.applications)])
    split = Split(
        form=dataset.form,
        train_applications=dataset.applications[~held_out],
        train_outcomes=dataset.outcomes[~held_out],
        holdout_applications=dataset.applications[held_out],
        holdout_outcomes=dataset.outcomes[held_out],
    )
    for part, outcomes, least in (
        ("in the training set", split.train_outcomes, _LEAST_OF_EACH_OUTCOME),
        ("in the holdout", split.holdout_outcomes, _LEAST_HELD_OUT_OF_EACH_OUTCOME),
    ):
        rarest = min((outcomes == outcome).sum() for outcome in (0, 1))
        if rarest < least:
            raise DatasetError(
                f"{dataset.path}: the rarer outcome has {rarest} applications {part}; at least {least} are needed"
            )
    return split


def _share(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
