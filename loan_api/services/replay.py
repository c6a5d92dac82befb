"""Scores recorded applications again and says where the answer is another one."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loan_api.scoring.columns import applications_of
from loan_api.scoring.parity import TOLERANCE
from loan_api.scoring.scorer import Scorer
from loan_api.services.decision_chunks import DecisionChunk
from loan_api.services.decision_log import Decider


@dataclass(frozen=True)
class ReplayModel:
    """A model to score with, and the probability from which on it approves."""

    scorer: Scorer
    threshold: float


@dataclass(frozen=True)
class Answer:
    """A decision and its probability."""

    prediction: int
    probability: float


@dataclass(frozen=True)
class Difference:
    """A decision that is not what it was, or whose probability is not."""

    decision_id: str
    recorded: Answer
    replayed: Answer


def replay(
    chunks: Iterable[DecisionChunk], model_of: Callable[[Decider], ReplayModel], limit: int | None = None
) -> Iterator[tuple[int, list[Difference]]]:
    """Scores the first `limit` decisions; of each chunk, how many were scored and what differs.

    `model_of` gives the model for those that a model version decided. Raises what it raises.
    """
    left = limit
    for whole in chunks:
        chunk = whole if left is None else whole.first(left)
        if len(chunk) == 0:
            return
        yield len(chunk), differences(chunk, model_of(chunk.decider))
        if left is not None:
            left -= len(chunk)


def differences(chunk: DecisionChunk, model: ReplayModel) -> list[Difference]:
    """The decisions that the model makes otherwise, or with a probability that is further off than by rounding."""
    probabilities = np.array(model.scorer.probabilities(chunk.applications))
    suspects = _differing(chunk, probabilities, model.threshold)
    if chunk.endpoint == "single":
        # Sums of many are rounded otherwise than those of one, and these were scored one by one.
        for row, application in zip(suspects, applications_of(chunk.applications, suspects), strict=True):
            probabilities[row] = model.scorer.probability(application)
        suspects = _differing(chunk, probabilities, model.threshold)
    return [
        Difference(
            chunk.ids[row],
            Answer(int(chunk.predictions[row]), float(chunk.probabilities[row])),
            Answer(int(probabilities[row] >= model.threshold), float(probabilities[row])),
        )
        for row in suspects
    ]


def _differing(chunk: DecisionChunk, probabilities: NDArray[np.float64], threshold: float) -> list[int]:
    # Not `> TOLERANCE`, which NaN would pass.
    is_off = ~(np.abs(probabilities - chunk.probabilities) <= TOLERANCE)
    is_other = (probabilities >= threshold) != (chunk.predictions == 1)
    rows: list[int] = np.flatnonzero(is_off | is_other).tolist()
    return rows
