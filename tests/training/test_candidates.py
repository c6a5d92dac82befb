"""The candidates meet the requirements of registration, and compete only where they can."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import FixedThresholdClassifier
from skops import io as skops_io

from loan_api.credit.bounds import BoundedClassifier
from loan_api.credit.form import parse_form
from tests.support.forms import SHIPPED
from training.data.dataset import Dataset
from training.data.split import Split, split_dataset
from training.errors import CandidateError
from training.selection.calibration import calibrated
from training.selection.candidates import BASELINE, CANDIDATES, Candidate, able_to_learn_from, select_candidates
from training.selection.evaluation import build_estimator
from training.selection.pipeline import build_pipeline

WITHOUT_EFFECTS = parse_form(SHIPPED.text.replace('effect = "increasing"', ""))
ORIGINALS = {
    *("logistic_regression", "decision_tree", "random_forest", "extra_trees", "ada_boost", "svc"),
    *("k_nearest_neighbours", "naive_bayes", "mlp", "lightgbm", "xgboost", "catboost"),
}


def test_the_twelve_of_the_original_are_there_and_names_are_unique() -> None:
    names = [candidate.name for candidate in CANDIDATES]
    assert set(names) >= ORIGINALS
    assert len(set(names)) == len(names)


def test_candidates_without_their_library_sit_out_but_cannot_be_asked_for() -> None:
    missing = Candidate("other", lambda *_: None, library="no_such_library")
    assert not missing.is_installed
    assert all(candidate.is_installed for candidate in select_candidates())


def test_unusual_candidates_compete_only_if_they_are_named() -> None:
    usual = {candidate.name for candidate in select_candidates()}
    assert "svc" not in usual
    assert {"logistic_regression", "decision_tree", "lightgbm"} <= usual


def test_names_choose_candidates_in_declared_order() -> None:
    assert [c.name for c in select_candidates(["svc", "decision_tree"])] == ["decision_tree", "svc"]
    with pytest.raises(CandidateError, match="no candidate is called oracle; choose from logistic_regression"):
        select_candidates(["oracle"])


@pytest.mark.parametrize("candidate", [BASELINE, *CANDIDATES], ids=lambda candidate: candidate.name)
def test_a_fitted_pipeline_survives_being_saved_without_pickle(candidate: Candidate, small_dataset: Dataset) -> None:
    """Use the most complex form: calibrated, with its own threshold."""
    if not candidate.is_installed:
        pytest.skip("make boosters")
    estimator = build_estimator(candidate, SHIPPED, seed=0, rounds=25)
    decider = FixedThresholdClassifier(
        BoundedClassifier(estimator), threshold=0.7, pos_label=1, response_method="predict_proba"
    )
    pipeline = build_pipeline(SHIPPED, decider, scaled=candidate.scaled, imputed=not candidate.accepts_missing)
    pipeline.fit(small_dataset.applications, small_dataset.outcomes)
    bounded, outcomes = pipeline["estimator"].estimator_, small_dataset.outcomes.to_numpy()
    scores = np.random.default_rng(1).random(len(outcomes))
    bounded.estimator_ = calibrated(bounded.estimator_, "isotonic", scores, outcomes)
    saved = skops_io.dumps(pipeline)
    loaded = skops_io.loads(saved, trusted=skops_io.get_untrusted_types(data=saved))
    expected = pipeline.predict_proba(small_dataset.applications)
    np.testing.assert_array_equal(loaded.predict_proba(small_dataset.applications), expected)
    assert ((expected > 0) & (expected < 1)).all()


def test_nothing_is_learned_from_an_unseen_category(small_dataset: Dataset) -> None:
    [candidate] = select_candidates(["decision_tree"])
    pipeline = build_pipeline(SHIPPED, build_estimator(candidate, SHIPPED, seed=0), scaled=False, imputed=False)
    pipeline.fit(small_dataset.applications, small_dataset.outcomes)
    graduates = small_dataset.applications.assign(education="Graduate")
    post_graduates = small_dataset.applications.assign(education="Post Graduate")
    np.testing.assert_array_equal(pipeline.predict_proba(graduates), pipeline.predict_proba(post_graduates))


@pytest.fixture
def split(small_dataset: Dataset) -> Split:
    return replace(split_dataset(small_dataset), form=WITHOUT_EFFECTS)


def test_candidates_whose_cost_grows_faster_than_the_rows_are_left_out_of_large_data(split: Split) -> None:
    able, unable = able_to_learn_from(replace(split, train_outcomes=pd.Series(np.zeros(15_000))), CANDIDATES)
    assert (able, unable) == (CANDIDATES, ())
    able, unable = able_to_learn_from(replace(split, train_outcomes=pd.Series(np.zeros(15_001))), CANDIDATES)
    assert {candidate.name for candidate, _ in unable} == {"svc", "k_nearest_neighbours"}
    assert {reason for _, reason in unable} == {
        "its cost grows faster than the rows, and its limit is 15,000 training rows; there are 15,001"
    }
    assert {*able, *(candidate for candidate, _ in unable)} == {*CANDIDATES}


def test_candidates_that_ignore_effects_are_left_out_if_there_are_any(split: Split) -> None:
    able, unable = able_to_learn_from(replace(split, form=SHIPPED), CANDIDATES)
    assert all(candidate.constrained for candidate in able)
    assert {reason for _, reason in unable} == {"it cannot follow the effects that the form declares"}
    assert {"ada_boost", "naive_bayes", "mlp", "svc"} <= {candidate.name for candidate, _ in unable}
