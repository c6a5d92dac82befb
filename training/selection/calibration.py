"""Probabilities that mean what they say: calibrated where that makes them better."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import BaseCrossValidator

from training.selection.metrics import Outcomes, Probabilities

Calibration = Literal["none", "sigmoid", "isotonic"]
_METHODS: tuple[Literal["sigmoid", "isotonic"], ...] = ("sigmoid", "isotonic")

Folds = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]


def choose_calibration(
    outcomes: Outcomes, scores: NDArray[np.float64], probabilities: Probabilities, folds: Folds
) -> tuple[Calibration, Probabilities]:
    """The calibration that lowers the Brier score most, or none, and the n probabilities that it leads to.

    `scores` (n, what the estimator ranks by) and `probabilities` (n) are out of fold. Each fold is calibrated with what
    the other folds teach. A calibration must lower the Brier score by more than the
    standard error of the difference; less is noise that would only make the model harder to read.
    """
    choice: tuple[Calibration, Probabilities] = ("none", probabilities)
    least = float(np.mean((probabilities - outcomes) ** 2))
    for method in _METHODS:
        calibrated = np.empty_like(probabilities)
        for learnt_from, applied_to in folds:
            calibrated[applied_to] = _calibrate(method, scores[learnt_from], outcomes[learnt_from], scores[applied_to])
        gains = (probabilities - outcomes) ** 2 - (calibrated - outcomes) ** 2
        standard_error = float(np.std(gains, ddof=1) / np.sqrt(len(gains)))
        brier = float(np.mean((calibrated - outcomes) ** 2))
        if float(np.mean(gains)) > standard_error and brier < least:
            choice, least = (method, calibrated), brier
    return choice


def calibrated(estimator: Any, calibration: Calibration, folds: BaseCrossValidator) -> Any:
    """`estimator`, unfitted, with that calibration around it; it is fitted on out-of-fold scores of the same folds."""
    if calibration == "none":
        return estimator
    return CalibratedClassifierCV(estimator, method=calibration, cv=folds, ensemble=False)


class _Scores(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A fitted classifier whose scores are its only input: what is put around it calibrates given scores."""

    classes_ = np.array([0, 1])

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, _scores: NDArray[np.float64], _outcomes: Outcomes) -> "_Scores":
        return self

    def decision_function(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return scores[:, 0]

    def predict(self, scores: NDArray[np.float64]) -> Outcomes:
        return (scores[:, 0] > 0).astype("int64")


def _calibrate(
    method: Literal["sigmoid", "isotonic"],
    scores: NDArray[np.float64],
    outcomes: Outcomes,
    new_scores: NDArray[np.float64],
) -> Probabilities:
    """What the calibration of `calibrated` makes of new scores after learning from these."""
    calibration = CalibratedClassifierCV(FrozenEstimator(_Scores()), method=method)
    calibration.fit(scores.reshape(-1, 1), outcomes)
    probabilities: Probabilities = calibration.predict_proba(new_scores.reshape(-1, 1))[:, 1]
    return probabilities
