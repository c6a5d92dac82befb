"""Evaluation of a candidate: cross-validation, calibration, threshold, fit, and measurement on the holdout."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from timeit import repeat
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import FixedThresholdClassifier, StratifiedKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from loan_api.credit.bounds import BoundedClassifier, laplace_bound
from loan_api.credit.decision import DEFAULT_THRESHOLD
from loan_api.credit.form import Form
from loan_api.credit.reference import edges_of, feature_histograms
from loan_api.scoring.pipeline import PipelineScorer, frame_columns
from training.data.split import FOLDS, Split
from training.selection.calibration import Calibration, Folds, calibrated, choose_calibration
from training.selection.candidates import Candidate
from training.selection.metrics import Probabilities, log_losses, measure
from training.selection.monotonicity import violations
from training.selection.pipeline import build_pipeline, monotonicity
from training.selection.rounds import staged_probabilities
from training.selection.threshold import choose_threshold

_TIMED_BATCH = 1000
_ATTEMPTS = 3
_PARENT_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Conditions:
    """Conditions shared by all candidates: the random seed, and the cost of a wrong approval in wrong rejections."""

    seed: int
    wrong_approval_cost: float = 1.0


@dataclass(frozen=True)
class Evaluation:
    """One candidate: its pipeline fitted on the training set, and its quality.

    `metrics`: `cv_NAME_mean` and `cv_NAME_std` are cross-validated on the training set at a threshold of 0.5; `NAME`
    is measured on the holdout at `threshold`. `timings` are seconds. `out_of_fold` (a value per training row) and
    `holdout` (a value per held-out row) are probabilities of unseen applications. `violations` are the largest moves
    against declared effects, by feature.
    """

    candidate: Candidate
    pipeline: Pipeline
    calibration: Calibration
    threshold: float
    metrics: Mapping[str, float]
    timings: Mapping[str, float]
    parameters: Mapping[str, Any]
    out_of_fold: Probabilities
    holdout: Probabilities
    violations: Mapping[str, float]


@contextmanager
def evaluating(
    candidates: Sequence[Candidate], split: Split, conditions: Conditions, jobs: int
) -> Iterator[Iterator[Evaluation]]:
    """Evaluate the candidates in `jobs` processes from the start of the block, and yield the results.

    They come in order, each as soon as it is ready. With one job, this process evaluates on demand.
    """
    if jobs == 1:
        yield (evaluate(candidate, split, conditions) for candidate in candidates)
        return
    # Workers inherit the ignored SIGINT; this process handles Ctrl-C and stops them.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        parallel = joblib.Parallel(
            n_jobs=jobs, return_as="generator", backend="loky", initializer=_end_with, initargs=(os.getpid(),)
        )
        evaluations = parallel(joblib.delayed(evaluate)(candidate, split, conditions) for candidate in candidates)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield evaluations
    finally:
        with warnings.catch_warnings():
            # joblib warns if processes have not started yet, for example after an error.
            warnings.simplefilter("ignore", UserWarning)
            evaluations.close()


def _end_with(parent: int) -> None:
    """End this worker when its parent has died, because a killed parent cannot stop it."""

    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def evaluate(candidate: Candidate, split: Split, conditions: Conditions) -> Evaluation:
    """Cross-validate the candidate on the training set, fit it there, and measure it on the holdout."""
    # Candidates are evaluated in parallel. On tiny matrices, threads that wait for each other make BLAS much slower.
    with warnings.catch_warnings(), threadpool_limits(1):
        # Poor convergence shows in the metrics; the warning would break the progress bar.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _evaluate(candidate, split, conditions)


def _evaluate(candidate: Candidate, split: Split, conditions: Conditions) -> Evaluation:
    outcomes = split.train_outcomes.to_numpy()
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=conditions.seed)
    folds = list(splitter.split(split.train_applications, outcomes))
    unseen = _predict_out_of_fold(candidate, split, folds, conditions.seed)
    calibration, probabilities = choose_calibration(outcomes, unseen.scores, unseen.probabilities, folds)
    threshold = choose_threshold(outcomes, probabilities, conditions.wrong_approval_cost)

    unfitted = build_estimator(candidate, split.form, conditions.seed, unseen.rounds)
    bounded = BoundedClassifier(unfitted)
    decider = FixedThresholdClassifier(bounded, threshold=threshold, pos_label=1, response_method="predict_proba")
    pipeline = _pipeline(candidate, split.form, decider)
    started = perf_counter()
    pipeline.fit(split.train_applications, split.train_outcomes)
    bounded = pipeline["estimator"].estimator_
    bounded.estimator_ = calibrated(bounded.estimator_, calibration, unseen.scores, outcomes)
    fit_seconds = perf_counter() - started

    holdout = pipeline.predict_proba(split.holdout_applications)[:, 1]
    held_out_outcomes = split.holdout_outcomes.to_numpy()
    return Evaluation(
        candidate=candidate,
        pipeline=pipeline,
        calibration=calibration,
        threshold=threshold,
        metrics=_cross_validated(outcomes, probabilities, folds) | measure(held_out_outcomes, holdout, threshold),
        timings={"fit_seconds": fit_seconds, **_time_scoring(pipeline, split.holdout_applications)},
        parameters={key: value for key, value in unfitted.get_params().items() if value is not None},
        out_of_fold=probabilities,
        holdout=holdout,
        violations=violations(
            split.form,
            PipelineScorer(split.form, pipeline).probabilities,
            frame_columns(split.form, split.train_applications),
            edges_of(feature_histograms(split.form, split.train_applications)),
        ),
    )


def build_estimator(candidate: Candidate, form: Form, seed: int, rounds: int = 0) -> Any:
    """Return the candidate's unfitted estimator with that many trees, constrained by the effects of the form."""
    return candidate.build(seed, monotonicity(form, imputed=not candidate.accepts_missing), rounds)


def _pipeline(candidate: Candidate, form: Form, estimator: Any) -> Pipeline:
    return build_pipeline(form, estimator, scaled=candidate.scaled, imputed=not candidate.accepts_missing)


@dataclass(frozen=True)
class _OutOfFold:
    """Score and probability of every training row (n) from a model that did not learn from it, and its rounds.

    The score is the input of scikit-learn's calibration: the decision function or, without one, the probability.
    """

    scores: NDArray[np.float64]
    probabilities: Probabilities
    rounds: int = 0


def _predict_out_of_fold(candidate: Candidate, split: Split, folds: Folds, seed: int) -> _OutOfFold:
    """Predict every fold by a model of the others, with the number of rounds that has the lowest log loss."""
    outcomes = split.train_outcomes.to_numpy()
    rounds = candidate.rounds or (0,)
    # A row for each number of rounds.
    scores, probabilities = np.empty((2, len(rounds), len(outcomes)))
    for training_rows, fold_rows in folds:
        pipeline = _pipeline(candidate, split.form, build_estimator(candidate, split.form, seed, max(rounds)))
        pipeline.fit(split.train_applications.iloc[training_rows], outcomes[training_rows])
        unseen = split.train_applications.iloc[fold_rows]
        probabilities[:, fold_rows] = staged_probabilities(
            pipeline["estimator"], pipeline[:-1].transform(unseen), rounds
        )
        has_score = hasattr(pipeline, "decision_function")
        scores[:, fold_rows] = pipeline.decision_function(unseen) if has_score else probabilities[:, fold_rows]
    bound = laplace_bound(len(outcomes))
    losses = [log_losses(outcomes, np.clip(each, bound, 1 - bound)).mean() for each in probabilities]
    best = int(np.argmin(losses))
    return _OutOfFold(scores[best], probabilities[best], rounds[best])


def _cross_validated(outcomes: NDArray[np.int64], probabilities: Probabilities, folds: Folds) -> dict[str, float]:
    measured = [measure(outcomes[rows], probabilities[rows], DEFAULT_THRESHOLD) for _, rows in folds]
    metrics: dict[str, float] = {}
    for name in measured[0]:
        values = np.array([fold[name] for fold in measured])
        metrics[f"cv_{name}_mean"] = float(values.mean())
        metrics[f"cv_{name}_std"] = float(values.std(ddof=1))
    return metrics


def _time_scoring(pipeline: Pipeline, applications: pd.DataFrame) -> dict[str, float]:
    """Return the seconds to score 1 row and 1,000 rows: the fastest of a few attempts, as noise only adds time."""
    batch = applications.iloc[np.resize(np.arange(len(applications)), _TIMED_BATCH)]
    return {
        "scoring_seconds_1_row": min(
            repeat(lambda: pipeline.predict_proba(batch.iloc[:1]), number=1, repeat=_ATTEMPTS)
        ),
        f"scoring_seconds_{_TIMED_BATCH}_rows": min(
            repeat(lambda: pipeline.predict_proba(batch), number=1, repeat=_ATTEMPTS)
        ),
    }
