"""Writer of review steps, which are appended and never changed."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from loan_api.adapters.storage.database import begin_exclusive
from loan_api.adapters.storage.policies import RecordedPolicies
from loan_api.adapters.storage.review_reader import steps_of
from loan_api.adapters.storage.tables import referrals, review_steps, reviews
from loan_api.services.audit import DecisionName
from loan_api.services.review_state import Review, ReviewStep
from loan_api.services.reviews import Referral


def append_step(
    connection: Connection, referral: Referral, step_after: Callable[[Review], ReviewStep | None]
) -> Review | None:
    """Append the step after those recorded, and update the queue, in one transaction that excludes others.

    Return the review, or None if the referral is not recorded. If `step_after` raises, nothing is changed.
    """
    name = referral.name
    required = RecordedPolicies(connection).reviewers(referral.policy_digest)
    begin_exclusive(connection)
    known = connection.scalar(select(referrals.c.id).where(referrals.c.id == name.recorded_id))
    if known is None:
        return None
    before = Review(required, steps_of(connection, [name])[name])
    step = step_after(before)
    if step is None:
        connection.rollback()
        return before
    after = Review(required, (*before.steps, step))
    connection.execute(insert(review_steps), _step_row(name, step))
    was_decided, is_decided = (_is_decided(review, step.at) for review in (before, after))
    state = {"is_decided": int(is_decided), "claimed_until": step.expires_at}
    key = {"decision_id": name.recorded_id, "row_id": name.row or 0}
    if before.steps:
        here = (reviews.c[column] == value for column, value in key.items())
        connection.execute(update(reviews).where(*here).values(state))
    else:
        connection.execute(insert(reviews), {**key, **state, **_referral_row(referral)})
    if is_decided and not was_decided:
        of = referrals.c
        connection.execute(update(referrals).where(of.id == name.recorded_id).values(undecided=of.undecided - 1))
    connection.commit()
    return after


def _is_decided(review: Review, at: datetime) -> bool:
    return review.state(at).status == "decided"


def _step_row(name: DecisionName, step: ReviewStep) -> dict[str, Any]:
    opinion = step.opinion
    return {
        "decision_id": name.recorded_id,
        "row_id": name.row or 0,
        "kind": step.kind,
        "reviewer": step.by,
        "at": step.at,
        "expires_at": step.expires_at,
        "decision": opinion and opinion.decision,
        "reason": opinion and opinion.reason,
        "note": opinion and opinion.note,
        "is_override": opinion and int(opinion.override),
    }


def _referral_row(referral: Referral) -> dict[str, Any]:
    return {
        "endpoint": "single" if referral.name.row is None else "batch",
        "decided_at": referral.decided_at,
        "probability": referral.probability,
        "rule": referral.rule,
        "policy": referral.policy_digest,
        "semantic_version": referral.model_version,
    }
