"""Replay: recorded applications are scored again and compared with the recorded decisions."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.form import Form
from loan_api.scoring.columns import applications_of
from loan_api.scoring.parity import TOLERANCE
from loan_api.scoring.scorer import Scorer
from loan_api.services.decision_chunks import DecisionChunk
from loan_api.services.decision_log import Decider


@dataclass(frozen=True)
class Answer:
    """A decision and its probability."""

    prediction: int
    probability: float


@dataclass(frozen=True)
class Difference:
    """A decision that differs in its prediction or probability."""

    decision_id: str
    recorded: Answer
    replayed: Answer


def replay(
    form: Form,
    chunks: Iterable[DecisionChunk],
    scorer_of: Callable[[Decider], tuple[Scorer, float]],
    limit: int | None = None,
) -> Iterator[tuple[int, list[Difference]]]:
    """Score the first `limit` decisions; for each chunk, yield the number scored and the differences.

    `scorer_of` returns scorer and threshold for a decider's decisions; its exceptions are passed on.
    """
    left = limit
    for whole in chunks:
        chunk = whole if left is None else whole.first(left)
        if len(chunk) == 0:
            return
        yield len(chunk), differences(form, chunk, *scorer_of(chunk.decider))
        if left is not None:
            left -= len(chunk)


def differences(form: Form, chunk: DecisionChunk, scorer: Scorer, threshold: float) -> list[Difference]:
    """Return the decisions with another prediction, or with a probability that differs by more than rounding."""
    probabilities = np.array(scorer.probabilities(chunk.applications))
    suspects = _differing(chunk, probabilities, threshold)
    if chunk.endpoint == "single":
        # These were scored one by one, and sums of many rows are rounded differently.
        for row, application in zip(suspects, applications_of(form, chunk.applications, suspects), strict=True):
            probabilities[row] = scorer.probability(application)
        suspects = _differing(chunk, probabilities, threshold)
    return [
        Difference(
            chunk.ids[row],
            Answer(int(chunk.predictions[row]), float(chunk.probabilities[row])),
            Answer(int(probabilities[row] >= threshold), float(probabilities[row])),
        )
        for row in suspects
    ]


def _differing(chunk: DecisionChunk, probabilities: NDArray[np.float64], threshold: float) -> list[int]:
    # `> TOLERANCE` would be false for NaN.
    is_off = ~(np.abs(probabilities - chunk.probabilities) <= TOLERANCE)
    is_other = (probabilities >= threshold) != (chunk.predictions == 1)
    rows: list[int] = np.flatnonzero(is_off | is_other).tolist()
    return rows
