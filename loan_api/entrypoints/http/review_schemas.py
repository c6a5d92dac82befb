"""Schemas of reviews in responses, used for documentation only."""

from marshmallow import Schema, fields

from loan_api.entrypoints.http.enumerations import REVIEW_DECISION, REVIEW_NEED, REVIEW_STATUS
from loan_api.entrypoints.http.schemas import EXAMPLE_ID, MODEL_VERSION, POLICY_VERSION_FIELD, PROBABILITY, RULE_FIELD

_TIME = {"format": "date-time", "example": "2024-03-13T10:30:00.123456Z"}
REASON = {"description": "Code of the reviewer's reason: letters, digits and _.", "example": "income_verified"}
NOTE = {"description": "Note of the reviewer.", "example": "Salary slips of three months seen."}


class ReviewerDecisionSchema(Schema):
    """The decision of one reviewer."""

    by = fields.String(required=True, metadata={"description": "Name of the API key.", "example": "reviewer-1"})
    at = fields.String(required=True, metadata={"description": "Time of the decision, in UTC.", **_TIME})
    decision = fields.Raw(required=True, metadata=REVIEW_DECISION.documented(example="approve"))
    reason = fields.String(required=True, metadata=REASON)
    note = fields.String(required=True, metadata=NOTE)
    override = fields.Boolean(
        required=True, metadata={"description": "Whether it replaces an earlier decision.", "example": False}
    )


class ReviewSchema(Schema):
    """The review of a referred decision."""

    status = fields.Raw(required=True, metadata=REVIEW_STATUS.documented(example="decided"))
    decision = fields.Raw(
        required=True,
        metadata=REVIEW_DECISION.or_null(description="The decision in force, or null.", example="approve"),
    )
    reviewers = fields.List(
        fields.Nested(ReviewerDecisionSchema),
        required=True,
        metadata={"description": "The decisions of reviewers, oldest first. They are never removed."},
    )


class ReviewedDecisionSchema(Schema):
    """A referral and the state of its review."""

    decision_id = fields.String(
        required=True,
        metadata={"description": "Id of the decision. For a row of a batch, `BATCH_ID:ROW`.", "example": EXAMPLE_ID},
    )
    status = fields.Raw(required=True, metadata=REVIEW_STATUS.documented(example="claimed"))
    decision = fields.Raw(
        required=True, metadata=REVIEW_DECISION.or_null(description="The decision in force, or null.", example=None)
    )
    needs = fields.Raw(
        required=True,
        metadata=REVIEW_NEED.or_null(description="What the review needs; null if it is decided.", example="decision"),
    )
    decided_at = fields.String(required=True, metadata={"description": "Time of the referral, in UTC.", **_TIME})
    probability = fields.Float(required=True, metadata={**PROBABILITY, "example": 0.62})
    rule = fields.String(required=True, allow_none=True, metadata=RULE_FIELD)
    policy_version = fields.String(required=True, allow_none=True, metadata=POLICY_VERSION_FIELD)
    model_version = fields.String(required=True, metadata=MODEL_VERSION)
    claimed_by = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Name of the API key that holds the claim, or null.", "example": "reviewer-1"},
    )
    claim_expires_at = fields.String(
        required=True, allow_none=True, metadata={"description": "End of the claim, in UTC, or null.", **_TIME}
    )
    reviewers_required = fields.Integer(
        required=True, metadata={"description": "Number of reviewers who must agree.", "example": 1}
    )
    decisions = fields.List(
        fields.Nested(ReviewerDecisionSchema),
        required=True,
        metadata={"description": "The decisions of reviewers so far, oldest first. They are never removed."},
    )


class ReviewPageSchema(Schema):
    """A page of the review queue, the oldest referral first."""

    reviews = fields.List(fields.Nested(ReviewedDecisionSchema), required=True)
    unreadable = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Ids of damaged batches on the page, whose referrals cannot be shown."},
    )
    next_cursor = fields.String(
        required=True, allow_none=True, metadata={"description": "`cursor` of the next page, or null at the end."}
    )
