"""Calibration of probabilities, applied only if it improves them."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from loan_api.credit.bounds import laplace_bound
from training.selection.metrics import Outcomes, Probabilities, log_losses

Calibration = Literal["none", "sigmoid", "isotonic"]
Method = Literal["sigmoid", "isotonic"]
_METHODS: tuple[Method, ...] = ("sigmoid", "isotonic")

Folds = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]


def choose_calibration(
    outcomes: Outcomes, scores: NDArray[np.float64], probabilities: Probabilities, folds: Folds
) -> tuple[Calibration, Probabilities]:
    """Choose the calibration with the lowest log loss and return the n probabilities it yields.

    `scores` (n, the estimator's ranking) and `probabilities` (n) are out of fold; each fold is calibrated on the
    others. All probabilities are bounded by Laplace's rule. A calibration must lower the log loss by more than two
    standard errors of the paired difference: a smaller gain is noise.
    """
    bound = laplace_bound(len(outcomes))
    choice: tuple[Calibration, Probabilities] = ("none", np.clip(probabilities, bound, 1 - bound))
    losses = log_losses(outcomes, choice[1])
    most = 0.0
    for method in _METHODS:
        calibrated = np.empty_like(probabilities)
        for training_rows, fold_rows in folds:
            calibrated[fold_rows] = _calibrate(
                method, scores[training_rows], outcomes[training_rows], scores[fold_rows]
            )
        calibrated = np.clip(calibrated, bound, 1 - bound)
        gains = losses - log_losses(outcomes, calibrated)
        if gains.mean() > max(most, 2 * np.std(gains, ddof=1) / np.sqrt(len(gains))):
            choice, most = (method, calibrated), float(gains.mean())
    return choice


def calibrated(estimator: Any, calibration: Calibration, scores: NDArray[np.float64], outcomes: Outcomes) -> Any:
    """Wrap a fitted estimator in a calibration of its n out-of-fold scores.

    CalibratedClassifierCV would fit the estimator again in every fold to get the scores.
    """
    if calibration == "none":
        return estimator
    fitted = _fit_calibration(calibration, scores, outcomes)
    [pair] = fitted.calibrated_classifiers_
    pair.estimator = estimator
    fitted.n_features_in_ = estimator.n_features_in_
    return fitted.set_params(estimator=clone(estimator), cv=None)


class _Scores(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A fitted classifier that takes scores as its only input, so that a calibration around it sees only the scores."""

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
    method: Method,
    scores: NDArray[np.float64],
    outcomes: Outcomes,
    new_scores: NDArray[np.float64],
) -> Probabilities:
    """Fit a calibration on scores and outcomes and apply it to `new_scores`."""
    calibration = _fit_calibration(method, scores, outcomes)
    probabilities: Probabilities = calibration.predict_proba(new_scores.reshape(-1, 1))[:, 1]
    return probabilities


def _fit_calibration(method: Method, scores: NDArray[np.float64], outcomes: Outcomes) -> CalibratedClassifierCV:
    everything = np.arange(len(scores))
    calibration = CalibratedClassifierCV(
        FrozenEstimator(_Scores()), method=method, cv=[(everything, everything)], ensemble=False
    )
    return calibration.fit(scores.reshape(-1, 1), outcomes)
