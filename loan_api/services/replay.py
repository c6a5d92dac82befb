"""Replay: recorded applications are scored and decided again, and compared with what was recorded."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.decision import DECISIONS, Verdict, verdict_of
from loan_api.credit.form import Form
from loan_api.credit.policy import Policy
from loan_api.scoring.columns import applications_of
from loan_api.scoring.parity import TOLERANCE
from loan_api.scoring.scorer import Scorer
from loan_api.services.decision_chunks import DecisionChunk
from loan_api.services.decision_log import Decider


@dataclass(frozen=True)
class Answer:
    """A prediction, its probability, and the verdict on it."""

    prediction: int
    probability: float
    verdict: Verdict


@dataclass(frozen=True)
class Difference:
    """A decision that differs in its prediction, probability or verdict."""

    decision_id: str
    recorded: Answer
    replayed: Answer


def replay(
    form: Form,
    chunks: Iterable[DecisionChunk],
    scorer_of: Callable[[Decider], tuple[Scorer, float]],
    policy_of: Callable[[str], Policy | None],
    limit: int | None = None,
) -> Iterator[tuple[int, list[Difference]]]:
    """Score the first `limit` decisions; for each chunk, yield the number scored and the differences.

    `scorer_of` returns scorer and threshold for a decider's decisions; its exceptions are passed on. `policy_of`
    returns the policy with a digest; without it, the verdicts are not compared.
    """
    left = limit
    for whole in chunks:
        chunk = whole if left is None else whole.first(left)
        if len(chunk) == 0:
            return
        policy = policy_of(chunk.policy.digest) if chunk.policy else None
        yield len(chunk), differences(form, chunk, *scorer_of(chunk.decider), policy)
        if left is not None:
            left -= len(chunk)


def differences(
    form: Form, chunk: DecisionChunk, scorer: Scorer, threshold: float, policy: Policy | None
) -> list[Difference]:
    """Return the decisions with another prediction or verdict, or with a probability that differs beyond rounding."""
    probabilities = np.array(scorer.probabilities(chunk.applications))
    if chunk.endpoint == "single":
        suspects: list[int] = np.flatnonzero(_is_other(chunk, probabilities, threshold)).tolist()
        # These were scored one by one; scoring in batches rounds differently.
        for row, application in zip(suspects, applications_of(form, chunk.applications, suspects), strict=True):
            probabilities[row] = scorer.probability(application)
    verdicts = _verdicts(chunk, probabilities, threshold, policy)
    is_other = _is_other(chunk, probabilities, threshold)
    rows = [row for row, verdict in enumerate(verdicts) if is_other[row] or verdict != _recorded(chunk, row)]
    return [
        Difference(
            chunk.ids[row],
            Answer(int(chunk.predictions[row]), float(chunk.probabilities[row]), _recorded(chunk, row)),
            Answer(int(probabilities[row] >= threshold), float(probabilities[row]), verdicts[row]),
        )
        for row in rows
    ]


def _is_other(chunk: DecisionChunk, probabilities: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    is_other: NDArray[np.bool_] = (probabilities >= threshold) != (chunk.predictions == 1)
    return is_other | ~_is_close(chunk, probabilities)


def _is_close(chunk: DecisionChunk, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
    # `> TOLERANCE` would be false for NaN.
    return np.abs(probabilities - chunk.probabilities) <= TOLERANCE


def _recorded(chunk: DecisionChunk, row: int) -> Verdict:
    return Verdict(DECISIONS[chunk.decisions[row]], chunk.rules[row])


def _verdicts(
    chunk: DecisionChunk, probabilities: NDArray[np.float64], threshold: float, policy: Policy | None
) -> Sequence[Verdict]:
    if chunk.policy is None:
        return [verdict_of(int(probability >= threshold)) for probability in probabilities.tolist()]
    if policy is None:
        return [_recorded(chunk, row) for row in range(len(chunk))]
    # A probability that differs by rounding must not fall into another band.
    given = np.where(_is_close(chunk, probabilities), chunk.probabilities, probabilities)
    decisions, rules = policy.decide_columns(chunk.applications, given)
    codes = [*policy.codes, None]
    return [
        Verdict(DECISIONS[decision], codes[rule])
        for decision, rule in zip(decisions.tolist(), rules.tolist(), strict=True)
    ]
