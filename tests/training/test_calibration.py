"""Probabilities are calibrated only if that improves them."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from training.selection.calibration import Folds, Method, _calibrate, calibrated, choose_calibration
from training.selection.metrics import Outcomes, Probabilities

ROWS = 2000
FOLDS = StratifiedKFold(5, shuffle=True, random_state=1)


def world() -> tuple[Outcomes, Probabilities, Folds]:
    """Return outcomes drawn from known probabilities."""
    random = np.random.default_rng(7)
    true = random.random(ROWS)
    outcomes = (random.random(ROWS) < true).astype("int64")
    return outcomes, true, list(FOLDS.split(true.reshape(-1, 1), outcomes))


def brier(outcomes: Outcomes, probabilities: Probabilities) -> float:
    return float(np.mean((probabilities - outcomes) ** 2))


def test_exact_probabilities_are_left_alone() -> None:
    outcomes, true, folds = world()
    calibration, probabilities = choose_calibration(outcomes, true, true, folds)
    assert calibration == "none"
    assert np.array_equal(probabilities, np.clip(true, 1 / (ROWS + 2), 1 - 1 / (ROWS + 2)))


def test_probabilities_are_never_0_or_1() -> None:
    outcomes, true, folds = world()
    for scores in (true, np.round(true), outcomes.astype(np.float64)):
        _, probabilities = choose_calibration(outcomes, scores, scores, folds)
        assert probabilities.min() >= 1 / (ROWS + 2)
        assert probabilities.max() <= 1 - 1 / (ROWS + 2)


def test_distorted_probabilities_are_mended() -> None:
    outcomes, true, folds = world()
    squeezed = 0.4 + 0.2 * true
    calibration, probabilities = choose_calibration(outcomes, squeezed, squeezed, folds)
    assert calibration != "none"
    assert brier(outcomes, probabilities) < brier(outcomes, squeezed) - 0.02
    assert abs(brier(outcomes, probabilities) - brier(outcomes, true)) < 0.005


def test_a_fold_is_calibrated_without_its_own_outcomes() -> None:
    """Flipping some outcomes of one fold changes the probabilities of the others, not its own."""
    outcomes, true, folds = world()
    squeezed = 0.4 + 0.2 * true
    _, before = choose_calibration(outcomes, squeezed, squeezed, folds)
    own = folds[0][1]
    turned = outcomes.copy()
    turned[own[:20]] = 1 - turned[own[:20]]
    _, after = choose_calibration(turned, squeezed, squeezed, folds)
    assert np.array_equal(before[own], after[own])
    assert not np.array_equal(before[folds[1][1]], after[folds[1][1]])


def test_the_fitted_model_is_calibrated_as_chosen() -> None:
    outcomes, true, _ = world()
    estimator = LogisticRegression().fit(true.reshape(-1, 1), outcomes)
    assert calibrated(estimator, "none", true, outcomes) is estimator
    wrapped = calibrated(estimator, "isotonic", true, outcomes)
    assert (wrapped.method, wrapped.ensemble, wrapped.cv, wrapped.n_features_in_) == ("isotonic", False, None, 1)
    assert wrapped.estimator.get_params() == estimator.get_params()
    assert [pair.estimator for pair in wrapped.calibrated_classifiers_] == [estimator]


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_what_is_judged_is_what_is_fitted(method: Method) -> None:
    """And it is what scikit-learn fits, which fits the estimator again in every fold."""
    outcomes, true, _ = world()
    features = true.reshape(-1, 1)
    scores = cross_val_predict(LogisticRegression(), features, outcomes, cv=FOLDS, method="decision_function")
    fitted = calibrated(LogisticRegression().fit(features, outcomes), method, scores, outcomes)
    answers = fitted.predict_proba(features)[:, 1]
    new_scores = LogisticRegression().fit(features, outcomes).decision_function(features)
    assert _calibrate(method, scores, outcomes, new_scores) == pytest.approx(answers, abs=1e-9)
    reference = CalibratedClassifierCV(LogisticRegression(), method=method, cv=FOLDS, ensemble=False)
    assert reference.fit(features, outcomes).predict_proba(features)[:, 1] == pytest.approx(answers, abs=1e-9)
