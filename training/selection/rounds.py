"""Predictions of boosted models after fewer trees than they have."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def staged_probabilities(estimator: Any, inputs: NDArray[np.float64], rounds: Sequence[int]) -> NDArray[np.float64]:
    """Return P(approved) of n rows after each number of rounds (rounds, n); estimators without rounds repeat theirs."""
    match type(estimator).__name__:
        case "VotingClassifier":
            members = [staged_probabilities(member, inputs, rounds) for member in estimator.estimators_]
            mean: NDArray[np.float64] = np.mean(members, axis=0)
            return mean
        case "LGBMClassifier":
            return np.array([estimator.predict_proba(inputs, num_iteration=count)[:, 1] for count in rounds])
        case "CatBoostClassifier":
            return np.array([estimator.predict_proba(inputs, ntree_end=count)[:, 1] for count in rounds])
    return np.repeat(estimator.predict_proba(inputs)[np.newaxis, :, 1], len(rounds), axis=0)
