"""From applications to probabilities of approval."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from loan_api.credit.frame import applications_frame

Application = Mapping[str, Any]


class Scorer(Protocol):
    """Anything that turns n applications into n probabilities of approval."""

    name: str

    def probabilities(self, applications: Sequence[Application]) -> list[float]:
        """P(approved) of each application, in order. The applications hold the declared features, already validated."""


class PipelineScorer:
    """Scores with the registered pipeline itself: the reference that every faster form must equal."""

    name = "pipeline"

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    def probabilities(self, applications: Sequence[Application]) -> list[float]:
        """P(approved) of each application, as float64 from the pipeline's second class."""
        probabilities: list[float] = self._pipeline.predict_proba(applications_frame(applications))[:, 1].tolist()
        return probabilities
