"""How good a candidate is, and which one wins.

The holdout is set aside before anything is fitted and takes no part in the choice.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, brier_score_loss, f1_score, precision_score, recall_score
from sklearn.model_selection import StratifiedKFold, cross_validate, train_test_split
from sklearn.pipeline import Pipeline

from training.candidates import BASELINE, Candidate
from training.dataset import Dataset
from training.errors import DatasetError, NoWinnerError
from training.pipeline import build_pipeline

HOLDOUT_SHARE = 0.2
FOLDS = 5

_CV_SCORERS = {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "f1",
    "brier": "neg_brier_score",
}


@dataclass(frozen=True)
class Split:
    """Applications and outcomes to learn from, and those held out."""

    train_applications: pd.DataFrame
    train_outcomes: pd.Series
    holdout_applications: pd.DataFrame
    holdout_outcomes: pd.Series


@dataclass(frozen=True)
class Evaluation:
    """One candidate: its pipeline fitted on the training part, and its metrics by name.

    `cv_NAME_mean` and `cv_NAME_std` come from cross-validation on the training part, `NAME` from the holdout. Brier is
    a mean squared error of the probability (smaller is better); all others grow with quality. All lie in 0 to 1.
    """

    candidate: Candidate
    pipeline: Pipeline
    metrics: Mapping[str, float]
    parameters: Mapping[str, Any]
    fit_seconds: float


def split_dataset(dataset: Dataset, seed: int) -> Split:
    """A stratified split, the same for the same data and seed.

    Raises DatasetError where an outcome is too rare to stand in every fold and in the holdout.
    """
    rarest = int(dataset.outcomes.value_counts().min())
    needed = int(np.ceil(FOLDS / (1 - HOLDOUT_SHARE))) + 1
    if rarest < needed:
        raise DatasetError(f"{dataset.path}: the rarer outcome has {rarest} applications; at least {needed} are needed")
    parts = train_test_split(
        dataset.applications,
        dataset.outcomes,
        test_size=HOLDOUT_SHARE,
        stratify=dataset.outcomes,
        random_state=seed,
    )
    train_applications, holdout_applications, train_outcomes, holdout_outcomes = parts
    return Split(train_applications, train_outcomes, holdout_applications, holdout_outcomes)


def evaluate_all(candidates: Sequence[Candidate], split: Split, seed: int, jobs: int) -> Iterator[Evaluation]:
    """Evaluates the candidates on `jobs` processes and yields each in its order, as soon as it is there."""
    tasks = (joblib.delayed(evaluate)(candidate, split, seed) for candidate in candidates)
    evaluations: Iterator[Evaluation] = joblib.Parallel(n_jobs=jobs, return_as="generator")(tasks)
    yield from evaluations


def evaluate(candidate: Candidate, split: Split, seed: int) -> Evaluation:
    """Cross-validates the candidate on the training part, fits it there, and measures it on the holdout."""
    pipeline = build_pipeline(candidate.build(seed), scaled=candidate.scaled)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A model that did not converge shows in its metrics; the warning would tear the progress bar.
        warnings.simplefilter("ignore", ConvergenceWarning)
        scores = cross_validate(pipeline, split.train_applications, split.train_outcomes, cv=folds, scoring=_CV_SCORERS)
        started = perf_counter()
        pipeline.fit(split.train_applications, split.train_outcomes)
        fit_seconds = perf_counter() - started
    metrics: dict[str, float] = {}
    for name in _CV_SCORERS:
        values = np.abs(scores[f"test_{name}"])
        metrics[f"cv_{name}_mean"] = float(values.mean())
        metrics[f"cv_{name}_std"] = float(values.std(ddof=1))
    metrics |= _holdout_metrics(pipeline, split)
    parameters = {key: value for key, value in pipeline["estimator"].get_params().items() if value is not None}
    return Evaluation(candidate, pipeline, metrics, parameters, fit_seconds)


def _holdout_metrics(pipeline: Pipeline, split: Split) -> dict[str, float]:
    actual = split.holdout_outcomes
    predicted = pipeline.predict(split.holdout_applications)
    probability = pipeline.predict_proba(split.holdout_applications)[:, 1]
    return {
        "accuracy": float(accuracy_score(actual, predicted)),
        "precision": float(precision_score(actual, predicted, zero_division=0.0)),
        "recall": float(recall_score(actual, predicted)),
        "f1": float(f1_score(actual, predicted)),
        "brier": float(brier_score_loss(actual, probability)),
    }


def choose(evaluations: Sequence[Evaluation], baseline: Evaluation) -> Evaluation:
    """The winner, by cross-validation alone.

    Of the candidates whose mean F1 is within one standard error of the best (Breiman et al., CART, 1984), the one whose
    probabilities are best, by Brier score. Raises NoWinnerError unless it beats the baseline's mean F1.
    """
    best = max(evaluations, key=lambda evaluation: evaluation.metrics["cv_f1_mean"])
    standard_error = best.metrics["cv_f1_std"] / np.sqrt(FOLDS)
    contenders = [e for e in evaluations if e.metrics["cv_f1_mean"] >= best.metrics["cv_f1_mean"] - standard_error]
    winner = min(contenders, key=lambda evaluation: evaluation.metrics["cv_brier_mean"])
    if winner.metrics["cv_f1_mean"] <= baseline.metrics["cv_f1_mean"]:
        raise NoWinnerError(
            f"the best candidate, {winner.candidate.name} (F1 {winner.metrics['cv_f1_mean']:.4f}), is no better than"
            f" the baseline {BASELINE.name} (F1 {baseline.metrics['cv_f1_mean']:.4f}); nothing is registered"
        )
    return winner
