"""Invented evaluations for tests of model selection."""

from collections.abc import Mapping, Sequence

import numpy as np

from training.selection.candidates import Candidate, Complexity
from training.selection.evaluation import Evaluation


def evaluation(
    name: str,
    out_of_fold: Sequence[float],
    holdout_f1: float = 0.0,
    complexity: Complexity = Complexity.ENSEMBLE,
    violations: Mapping[str, float] | None = None,
) -> Evaluation:
    """Return an evaluation with only these probabilities of the training applications, metric and violations."""
    return Evaluation(
        candidate=Candidate(name, lambda *_: None, complexity),
        pipeline=None,
        calibration="none",
        threshold=0.5,
        metrics={"f1": holdout_f1},
        timings={},
        parameters={},
        out_of_fold=np.array(out_of_fold),
        holdout=np.array([]),
        violations=violations or {},
    )
