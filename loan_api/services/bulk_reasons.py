"""Reasons for many recorded refusals, chunk by chunk."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from loan_api.credit.decision import DECLINE, Verdict
from loan_api.credit.form import Form
from loan_api.credit.policy import Policy
from loan_api.credit.reasons import Reason, principal_reasons, reason_of_rule
from loan_api.errors import ReasonsUnavailableError
from loan_api.scoring.attribution import Attributions, Attributor
from loan_api.scoring.parity import TOLERANCE
from loan_api.services.decision_chunks import DecisionChunk
from loan_api.services.decision_log import Decider


@dataclass(frozen=True)
class ExplainedChunk:
    """The refused decisions of a chunk with their contributions and principal reasons.

    `examined` is the number of decisions read for the chunk, and `last_id` the id of the last record among them.
    """

    refused: DecisionChunk
    attributions: Attributions | None
    reasons: Sequence[Sequence[Reason]]
    examined: int
    last_id: str


@dataclass
class Unexplained:
    """The numbers of refused decisions that could not be explained, by cause."""

    counts: Counter[str] = field(default_factory=Counter)


def explain_refusals(
    form: Form,
    chunks: Iterable[DecisionChunk],
    attributor_of: Callable[[Decider], Attributor],
    policy_of: Callable[[str], Policy | None],
    unexplained: Unexplained,
) -> Iterator[ExplainedChunk]:
    """Explain the refused decisions of every chunk.

    `attributor_of` raises ReasonsUnavailableError for versions that cannot explain; their decisions, and those that
    their model does not reproduce, are counted in `unexplained`. Its other exceptions are passed on. `policy_of`
    returns the policy with a digest, or None.
    """
    for chunk in chunks:
        refused = chunk.picked(np.flatnonzero(chunk.decisions == DECLINE))
        last_id = chunk.ids[-1].partition(":")[0]
        attributions: Attributions | None = None
        reasons: list[list[Reason]] = []
        try:
            if len(refused):
                attributions = attributor_of(refused.decider).attribute(refused.applications)
        except ReasonsUnavailableError as error:
            unexplained.counts[str(error)] += len(refused)
            refused = refused.first(0)
        if attributions is not None:
            agreeing = np.abs(attributions.probabilities - refused.probabilities) <= TOLERANCE
            if not agreeing.all():
                unexplained.counts["The model that decided no longer reproduces the decision."] += int(
                    (~agreeing).sum()
                )
                refused, attributions = refused.picked(np.flatnonzero(agreeing)), attributions.picked(agreeing)
            policy = policy_of(refused.policy.digest) if refused.policy else None
            names = [group.name for group in form.groups]
            for rule, row in zip(refused.rules, attributions.contributions.tolist(), strict=True):
                contributions = dict(zip(names, row, strict=True))
                reasons.append(_reasons(form, policy, rule, contributions))
        yield ExplainedChunk(refused, attributions, reasons, len(chunk), last_id)


def _reasons(form: Form, policy: Policy | None, rule: str | None, contributions: Mapping[str, float]) -> list[Reason]:
    if rule is None:
        return principal_reasons(form.groups, contributions)
    reason = reason_of_rule(policy, Verdict("decline", rule)) if policy else None
    # Without the policy's text, the code is all that is known.
    return [reason or Reason(rule, rule, (), contribution=None)]
