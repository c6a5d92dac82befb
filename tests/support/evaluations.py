"""Invented evaluations for tests of model selection."""

import numpy as np

from training.selection.candidates import Candidate, Complexity
from training.selection.evaluation import Evaluation


def evaluation(
    name: str,
    f1: float,
    spread: float = 0.0,
    brier: float = 0.1,
    brier_spread: float = 0.0,
    holdout_f1: float = 0.0,
    complexity: Complexity = Complexity.ENSEMBLE,
) -> Evaluation:
    """Return an evaluation with only these metrics."""
    metrics = {
        "cv_f1_mean": f1,
        "cv_f1_std": spread,
        "cv_brier_mean": brier,
        "cv_brier_std": brier_spread,
        "f1": holdout_f1,
    }
    return Evaluation(
        candidate=Candidate(name, lambda _: None, complexity),
        pipeline=None,
        calibration="none",
        threshold=0.5,
        metrics=metrics,
        timings={},
        parameters={},
        out_of_fold=np.array([]),
        holdout=np.array([]),
        importance={},
        plots={},
    )
