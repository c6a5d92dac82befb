"""Scoring with the registered pipeline itself, the reference for the compiled form."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.frame import applications_frame, columns_frame
from loan_api.scoring.columns import Application, Columns, texts


class PipelineScorer:
    """Scores with a scikit-learn pipeline. Requires pandas and the pipeline's own libraries."""

    name = "pipeline"

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    def probability(self, application: Application) -> float:
        """Return the approval probability of one valid application."""
        return float(self._pipeline.predict_proba(applications_frame([application]))[0, 1])

    def probabilities(self, applications: Columns) -> NDArray[np.float64]:
        """Return the approval probabilities of n valid applications, in order (n)."""
        # XGBoost returns float32; comparing float32 with the threshold would round the threshold.
        answers: NDArray[np.float64] = self._pipeline.predict_proba(columns_frame(texts(applications)))[:, 1].astype(
            np.float64
        )
        return answers
