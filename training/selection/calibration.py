"""Probabilities that mean what they say: calibrated where that makes them better."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import BaseCrossValidator

from training.selection.metrics import Outcomes, Probabilities

Calibration = Literal["none", "sigmoid", "isotonic"]
_METHODS: tuple[Literal["sigmoid", "isotonic"], ...] = ("sigmoid", "isotonic")
# Just enough regularisation to keep the sigmoid of separable scores finite.
_LITTLE_REGULARISATION = 1e6

Folds = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]


def choose_calibration(
    outcomes: Outcomes, scores: NDArray[np.float64], probabilities: Probabilities, folds: Folds
) -> tuple[Calibration, Probabilities]:
    """The calibration that lowers the Brier score most, or none, and the n probabilities that it leads to.

    `scores` (n, what the estimator ranks by) and `probabilities` (n) are out of fold. Each fold is calibrated with what
    the other folds teach, so the comparison is honest. A calibration must lower the Brier score by more than the
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


def _calibrate(
    method: Literal["sigmoid", "isotonic"],
    scores: NDArray[np.float64],
    outcomes: Outcomes,
    new_scores: NDArray[np.float64],
) -> Probabilities:
    if method == "isotonic":
        isotonic = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(scores, outcomes)
        stepped: Probabilities = isotonic.predict(new_scores)
        return stepped
    sigmoid = LogisticRegression(C=_LITTLE_REGULARISATION).fit(scores.reshape(-1, 1), outcomes)
    smooth: Probabilities = sigmoid.predict_proba(new_scores.reshape(-1, 1))[:, 1]
    return smooth
