"""Scoring with the registered pipeline itself, the reference for the compiled form."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from loan_api.credit.form import Form
from loan_api.credit.frame import applications_frame, columns_frame, conform
from loan_api.scoring.columns import Application, Columns, columns_of, texts


def frame_columns(form: Form, applications: pd.DataFrame) -> Columns:
    """Convert a frame of applications (n rows, the features) to columns."""
    rows = conform(form, applications).itertuples(index=False, name=None)
    return columns_of(form, [dict(zip(form.names, row, strict=True)) for row in rows])


class PipelineScorer:
    """Scores with a scikit-learn pipeline. Requires pandas and the pipeline's own libraries."""

    name = "pipeline"
    relevant_features = None

    def __init__(self, form: Form, pipeline: Any) -> None:
        self._form = form
        self._pipeline = pipeline

    def probability(self, application: Application) -> float:
        """Return the approval probability of one valid application."""
        return float(self._pipeline.predict_proba(applications_frame(self._form, [application]))[0, 1])

    def probabilities(self, applications: Columns) -> NDArray[np.float64]:
        """Return the approval probabilities of n valid applications, in order (n)."""
        # XGBoost returns float32; comparing float32 with the threshold would round the threshold.
        frame = columns_frame(self._form, texts(self._form, applications))
        answers: NDArray[np.float64] = self._pipeline.predict_proba(frame)[:, 1].astype(np.float64)
        return answers
