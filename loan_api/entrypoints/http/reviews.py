"""`/reviews`: the queue of referrals, and claims and decisions of reviewers."""

from typing import Any, get_args

from loan_api.entrypoints.http.access import Guard
from loan_api.entrypoints.http.blueprint import LoanBlueprint
from loan_api.entrypoints.http.body import read_json
from loan_api.entrypoints.http.enumerations import REVIEW_DECISION, REVIEW_STATUS
from loan_api.entrypoints.http.request_fields import (
    CURSOR,
    LIMIT,
    Field,
    OneOf,
    StrictSchema,
    cursor_of,
    load,
    load_query,
)
from loan_api.entrypoints.http.requests import current_request
from loan_api.entrypoints.http.review_schemas import NOTE, REASON, ReviewedDecisionSchema, ReviewPageSchema
from loan_api.entrypoints.http.reviewed import reviewed_referral
from loan_api.formats.applications import parse_json
from loan_api.formats.codecs import JSON
from loan_api.services.review_state import (
    LONGEST_NOTE,
    REASON_PATTERN,
    ReviewDecision,
    ReviewStatus,
    is_note,
    is_reason,
)
from loan_api.services.reviews import ReviewService

_BODY_BYTES = 2**15
_DESCRIPTION = "Id of a referred decision: a `decision_id`, or `BATCH_ID:ROW` for one row of a batch."
_REFERRAL = {
    "name": "decision_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "description": _DESCRIPTION},
    "description": _DESCRIPTION,
}


class _Reason(Field):
    expected = "a code of 1 to 64 letters, digits and _"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise self.refuse("type")
        if not is_reason(value):
            raise self.refuse("not_allowed")
        return value


class _Note(Field):
    expected = f"a text of at most {LONGEST_NOTE:,} characters without NUL"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise self.refuse("type")
        if not is_note(value):
            raise self.refuse("range")
        return value


class _Flag(Field):
    expected = "true or false"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if not isinstance(value, bool):
            raise self.refuse("type")
        return value


class QueueSchema(StrictSchema):
    """A part of the review queue."""

    status = OneOf(
        *get_args(ReviewStatus),
        load_default="open",
        metadata=REVIEW_STATUS.documented(description="Status of the reviews; `open` by default.", default="open"),
    )
    limit = LIMIT
    cursor = CURSOR


class ReviewDecisionReportSchema(StrictSchema):
    """The decision of a reviewer."""

    decision = OneOf(*get_args(ReviewDecision), required=True, metadata=REVIEW_DECISION.documented(example="approve"))
    reason = _Reason(required=True, metadata={"type": "string", "pattern": f"^{REASON_PATTERN}$", **REASON})
    note = _Note(
        load_default="",
        metadata={"type": "string", "maxLength": LONGEST_NOTE, "pattern": r"^[^\u0000]*$", "default": "", **NOTE},
    )
    override = _Flag(
        load_default=False,
        metadata={
            "type": "boolean",
            "default": False,
            "description": "True to replace the decision in force. Earlier decisions are kept.",
            "example": False,
        },
    )


_queue, _decision = QueueSchema(), ReviewDecisionReportSchema()


def reviews_blueprint(reviews: ReviewService, guard: Guard) -> LoanBlueprint:
    """Create the endpoints of the review queue."""
    blueprint = LoanBlueprint(
        "reviews", __name__, description="Decide the applications that the policy refers to people."
    )

    @blueprint.route("/reviews")
    @blueprint.doc(operationId="listReviews")
    @blueprint.searches(QueueSchema)
    @blueprint.needs("review")
    @blueprint.response(200, ReviewPageSchema, description="A page of the queue.")
    @blueprint.problems(422, 503)
    def list_reviews() -> dict[str, Any]:
        """List the review queue.

        Returns the referrals with a status, oldest first, each with its review. To get the next page, pass
        `next_cursor` as `cursor`, until it is null. Any page may hold fewer than `limit` reviews, because work per
        request is bounded.
        """
        guard.require("review")
        query = load_query(_queue, current_request().args.to_dict(flat=False))
        page = reviews.page(query["status"], query.get("cursor"), query["limit"])
        return {
            "reviews": [reviewed_referral(each) for each in page.reviews],
            "unreadable": list(page.unreadable),
            "next_cursor": cursor_of(page.following),
        }

    @blueprint.route("/reviews/<decision_id>/claim", methods=["POST"], parameters=[_REFERRAL])
    @blueprint.doc(operationId="claimReview")
    @blueprint.needs("review")
    @blueprint.response(200, ReviewedDecisionSchema, description="The referral, claimed.")
    @blueprint.problems(404, 409, 500, 503)
    def claim_review(decision_id: str) -> dict[str, Any]:
        """Claim a referral.

        Reserves the referral for your API key for 15 minutes, so that no one else can decide it meanwhile. Claiming
        it again extends the claim. Responds with 409 if another key holds the claim, if the decision was not referred,
        or if it has already been decided.
        """
        reviewer = guard.require("review") or ""
        return reviewed_referral(reviews.claim(decision_id, reviewer))

    @blueprint.route("/reviews/<decision_id>", methods=["PUT"], parameters=[_REFERRAL])
    @blueprint.doc(operationId="decideReview")
    @blueprint.accepts({JSON: ReviewDecisionReportSchema})
    @blueprint.needs("review")
    @blueprint.response(200, ReviewedDecisionSchema, description="The referral with your decision.")
    @blueprint.problems(400, 404, 408, 409, 413, 415, 422, 500, 503)
    def decide_review(decision_id: str) -> dict[str, Any]:
        """Decide a referral.

        Records your decision; claim the referral first. If the policy requires two reviewers, the referral reopens
        after the first decision until another API key agrees. `override` replaces the decision in force; earlier
        decisions are kept. Retrying is safe: a repeated decision is ignored.
        """
        reviewer = guard.require("review") or ""
        given = load(_decision, parse_json(read_json(current_request(), _BODY_BYTES)))
        return reviewed_referral(reviews.decide(decision_id, reviewer, **given))

    return blueprint
