"""Scores with the registered pipeline itself: the reference that the compiled form must equal."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.frame import applications_frame, columns_frame
from loan_api.scoring.columns import Application, Columns, texts


class PipelineScorer:
    """Imports pandas, and whatever the pipeline is made of."""

    name = "pipeline"

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    def probability(self, application: Application) -> float:
        """P(approved) of one valid application."""
        return float(self._pipeline.predict_proba(applications_frame([application]))[0, 1])

    def probabilities(self, applications: Columns) -> NDArray[np.float64]:
        """P(approved) of n valid applications, in order (n)."""
        # XGBoost's are float32; compared as such with a threshold, the threshold would be rounded first.
        answers: NDArray[np.float64] = self._pipeline.predict_proba(columns_frame(texts(applications)))[:, 1].astype(
            np.float64
        )
        return answers
