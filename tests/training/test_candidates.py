"""The twelve candidates meet the requirements of registration."""

import numpy as np
import pytest
from sklearn.model_selection import FixedThresholdClassifier, StratifiedKFold
from skops import io as skops_io

from training.data.dataset import Dataset
from training.errors import CandidateError
from training.selection.calibration import calibrated
from training.selection.candidates import BASELINE, CANDIDATES, Candidate, able_to_learn_from, select_candidates
from training.selection.pipeline import build_pipeline


def test_there_are_the_twelve_of_the_original() -> None:
    assert [candidate.name for candidate in CANDIDATES] == [
        "logistic_regression",
        "decision_tree",
        "random_forest",
        "extra_trees",
        "ada_boost",
        "svc",
        "k_nearest_neighbours",
        "naive_bayes",
        "mlp",
        "lightgbm",
        "xgboost",
        "catboost",
    ]


def test_candidates_without_their_library_sit_out_but_cannot_be_asked_for() -> None:
    missing = Candidate("other", lambda _: None, library="no_such_library")
    assert not missing.is_installed
    assert all(candidate.is_installed for candidate in select_candidates())


def test_names_choose_candidates_in_declared_order() -> None:
    assert [c.name for c in select_candidates(["svc", "decision_tree"])] == ["decision_tree", "svc"]
    with pytest.raises(CandidateError, match="no candidate is called oracle; choose from logistic_regression"):
        select_candidates(["oracle"])


@pytest.mark.parametrize("candidate", [BASELINE, *CANDIDATES], ids=lambda candidate: candidate.name)
def test_a_fitted_pipeline_survives_being_saved_without_pickle(candidate: Candidate, small_dataset: Dataset) -> None:
    if not candidate.is_installed:
        pytest.skip("make boosters")
    """Use the most complex form: calibrated, with its own threshold."""
    estimator = calibrated(candidate.build(0), "isotonic", StratifiedKFold(2))
    decider = FixedThresholdClassifier(estimator, threshold=0.7, pos_label=1, response_method="predict_proba")
    pipeline = build_pipeline(decider, scaled=candidate.scaled)
    pipeline.fit(small_dataset.applications, small_dataset.outcomes)
    saved = skops_io.dumps(pipeline)
    loaded = skops_io.loads(saved, trusted=skops_io.get_untrusted_types(data=saved))
    expected = pipeline.predict_proba(small_dataset.applications)
    np.testing.assert_array_equal(loaded.predict_proba(small_dataset.applications), expected)
    assert ((expected >= 0) & (expected <= 1)).all()


def test_nothing_is_learned_from_an_unseen_category(small_dataset: Dataset) -> None:
    pipeline = build_pipeline(CANDIDATES[1].build(0), scaled=False)
    pipeline.fit(small_dataset.applications, small_dataset.outcomes)
    graduates = small_dataset.applications.assign(education="Graduate")
    post_graduates = small_dataset.applications.assign(education="Post Graduate")
    np.testing.assert_array_equal(pipeline.predict_proba(graduates), pipeline.predict_proba(post_graduates))


def test_what_grows_faster_than_the_rows_is_left_out_of_many() -> None:
    able, unable = able_to_learn_from(15_000, CANDIDATES)
    assert (able, unable) == (CANDIDATES, ())
    able, unable = able_to_learn_from(15_001, CANDIDATES)
    assert {candidate.name for candidate in unable} == {"svc", "k_nearest_neighbours"}
    assert {*able, *unable} == {*CANDIDATES}
