"""Reviews as the API returns them."""

from typing import Any

from loan_api.formats.timestamps import exact_utc_text
from loan_api.services.review_state import Review
from loan_api.services.reviews import ReviewedReferral


def reviewed_referral(reviewed: ReviewedReferral) -> dict[str, Any]:
    """Return a referral with the state of its review, as in the queue."""
    referral, state = reviewed.referral, reviewed.state
    return {
        "decision_id": str(referral.name),
        "status": state.status,
        "decision": state.decision,
        "needs": state.needs,
        "decided_at": exact_utc_text(referral.decided_at),
        "probability": referral.probability,
        "rule": referral.rule,
        "policy_version": referral.policy_version,
        "model_version": referral.model_version,
        "claimed_by": state.claimed_by,
        "claim_expires_at": exact_utc_text(state.expires_at) if state.expires_at else None,
        "reviewers_required": reviewed.review.reviewers,
        "decisions": _decisions(reviewed.review),
    }


def review_summary(reviewed: ReviewedReferral | None) -> dict[str, Any] | None:
    """Return a review as a part of its decision; None if the decision was not referred."""
    if reviewed is None:
        return None
    state = reviewed.state
    return {"status": state.status, "decision": state.decision, "reviewers": _decisions(reviewed.review)}


def _decisions(review: Review) -> list[dict[str, Any]]:
    return [
        {
            "by": step.by,
            "at": exact_utc_text(step.at),
            "decision": opinion.decision,
            "reason": opinion.reason,
            "note": opinion.note,
            "override": opinion.override,
        }
        for step in review.steps
        if (opinion := step.opinion) is not None
    ]
