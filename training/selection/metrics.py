"""Metrics of probabilities and of the decisions derived from them."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    matthews_corrcoef,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

Probabilities = NDArray[np.float64]
Outcomes = NDArray[np.int64]

_CALIBRATION_BINS = 10
_LEAST = 1e-12
_CONFIDENCE = 0.95
_RESAMPLES = 2000


def measure(outcomes: Outcomes, probabilities: Probabilities, threshold: float) -> dict[str, float]:
    """Return all metrics of n probabilities against n outcomes, by name; decisions are made at `threshold`.

    For Brier score, log loss and expected calibration error smaller is better, the calibration slope should be 1, and
    for all others larger is better.
    """
    decisions = (probabilities >= threshold).astype("int64")
    values = {
        "accuracy": accuracy_score(outcomes, decisions),
        "balanced_accuracy": balanced_accuracy_score(outcomes, decisions),
        "precision": precision_score(outcomes, decisions, zero_division=0.0),
        "recall": recall_score(outcomes, decisions),
        "f1": f1_score(outcomes, decisions),
        "mcc": matthews_corrcoef(outcomes, decisions),
        "roc_auc": roc_auc_score(outcomes, probabilities),
        "average_precision": average_precision_score(outcomes, probabilities),
        "brier": brier_score_loss(outcomes, probabilities),
        "log_loss": log_loss(outcomes, probabilities),
        "ks": kolmogorov_smirnov(outcomes, probabilities),
        "expected_calibration_error": expected_calibration_error(outcomes, probabilities),
        "calibration_slope": calibration_slope(outcomes, probabilities),
    }
    return {name: float(value) for name, value in values.items()}


def calibration_slope(outcomes: Outcomes, probabilities: Probabilities) -> float:
    """Return the slope of a logistic regression of the outcomes on the log odds of n probabilities.

    Below 1 the probabilities are too extreme, above 1 too moderate (Cox, Two further applications of a model for binary
    regression, Biometrika 1958). A slope that separates the outcomes completely has no finite value; the last iteration
    is returned.
    """
    odds = logit(np.clip(probabilities, _LEAST, 1 - _LEAST))
    if np.ptp(odds) == 0:
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LogisticRegression(C=np.inf).fit(odds[:, None], outcomes)
    return float(fitted.coef_[0, 0])


def log_losses(outcomes: Outcomes, probabilities: Probabilities) -> NDArray[np.float64]:
    """Return the log loss of each of n probabilities, all strictly between 0 and 1 (n)."""
    losses: NDArray[np.float64] = -np.log(np.where(outcomes == 1, probabilities, 1 - probabilities))
    return losses


def kolmogorov_smirnov(outcomes: Outcomes, probabilities: Probabilities) -> float:
    """Return the largest distance, 0 to 1, between the score distributions of the two outcomes."""
    false_positives, true_positives, _ = roc_curve(outcomes, probabilities)
    return float(np.max(true_positives - false_positives))


def expected_calibration_error(outcomes: Outcomes, probabilities: Probabilities) -> float:
    """Return the mean distance between probability and approval rate over ten bins, weighted by bin size.

    Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015.
    """
    bins = np.minimum((probabilities * _CALIBRATION_BINS).astype("int64"), _CALIBRATION_BINS - 1)
    excess = np.bincount(bins, weights=probabilities - outcomes, minlength=_CALIBRATION_BINS)
    return float(np.abs(excess).sum() / len(outcomes))


# A metric of weighted rows, which can be bootstrapped by reweighting: n outcomes, decisions, probabilities, weights.
_Weighted = Callable[[Outcomes, Outcomes, Probabilities, NDArray[np.float64]], float]


def _weighted_f1(y: Outcomes, d: Outcomes, _: Probabilities, weights: NDArray[np.float64]) -> float:
    hits = weights[(y == 1) & (d == 1)].sum()
    misses = weights[y != d].sum()
    return float(2 * hits / (2 * hits + misses)) if hits else 0.0


_WEIGHTED: Mapping[str, _Weighted] = {
    "f1": _weighted_f1,
    "brier": lambda y, _, p, w: float(np.average((p - y) ** 2, weights=w)),
}


def confidence_intervals(
    outcomes: Outcomes, probabilities: Probabilities, threshold: float
) -> dict[str, tuple[float, float]]:
    """Return the 95% confidence intervals (low, high) of the metrics that lenders ask for, by name.

    Accuracy, precision and recall are proportions with Wilson's interval (1927), which remains valid without a single
    error. F1 is 2j / (1 + j) for the proportion j of hits among hits and misses, and its interval follows. The Brier
    score, a mean of losses between 0 and 1, uses the same interval: no such losses spread more than zeros and ones of
    the same mean.
    """
    decisions = (probabilities >= threshold).astype("int64")
    right = decisions == outcomes
    hits = float(np.count_nonzero(right & (outcomes == 1)))
    low, high = _wilson(hits, hits + np.count_nonzero(~right))
    return {
        "accuracy": _wilson(np.count_nonzero(right), len(outcomes)),
        "precision": _wilson(hits, np.count_nonzero(decisions == 1)),
        "recall": _wilson(hits, np.count_nonzero(outcomes == 1)),
        "f1": (2 * low / (1 + low), 2 * high / (1 + high)),
        "brier": _wilson(float(np.sum((probabilities - outcomes) ** 2)), len(outcomes)),
    }


def _wilson(successes: float | np.integer[Any], trials: float | np.integer[Any]) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion, without continuity correction."""
    if trials == 0:
        return 0.0, 1.0
    z = float(norm.ppf((1 + _CONFIDENCE) / 2))
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    reach = z / (1 + z**2 / trials) * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    # At the ends, rounding would leave the bounds off by the last bit.
    low = 0.0 if successes == 0 else float(centre - reach)
    return low, 1.0 if successes == trials else float(centre + reach)


def paired_difference(
    metric: str,
    outcomes: Outcomes,
    challenger: tuple[Probabilities, float],
    champion: tuple[Probabilities, float],
    seed: int,
) -> tuple[float, float, float]:
    """Return challenger minus champion in `metric`, and its 95% paired bootstrap interval (low, high).

    Both are (probabilities, threshold) on the same rows, and every resample draws the same rows for both.
    """
    value = _WEIGHTED[metric]

    def difference(weights: NDArray[np.float64]) -> float:
        ours, theirs = (
            value(outcomes, (probabilities >= threshold).astype("int64"), probabilities, weights)
            for probabilities, threshold in (challenger, champion)
        )
        return ours - theirs

    tail = (1 - _CONFIDENCE) / 2
    differences = [difference(weights) for weights in _resamples(len(outcomes), seed)]
    low, high = np.quantile(differences, (tail, 1 - tail))
    return difference(np.ones(len(outcomes))), float(low), float(high)


def _resamples(rows: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield for every resample the number of times each row is drawn."""
    random = np.random.default_rng(seed)
    for _ in range(_RESAMPLES):
        yield np.bincount(random.integers(0, rows, rows), minlength=rows).astype("float64")
