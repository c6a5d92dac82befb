"""Reviews: the queue of referrals."""

from collections.abc import Iterator, Sequence
from typing import Any, cast, get_args

from flask import g, redirect, render_template, request

from loan_api.entrypoints.desk.blueprint import DeskBlueprint
from loan_api.entrypoints.desk.links import link
from loan_api.errors import ReviewConflictError, UnknownDecisionError
from loan_api.services.audit import DecisionName
from loan_api.services.review_state import ReviewStatus
from loan_api.services.reviews import ReviewedReferral, ReviewService

_ON_A_PAGE = 50
# The most pages searched for a referral that a reviewer may decide.
_MOST_PAGES = 20


def add_reviews(blueprint: DeskBlueprint, reviews: ReviewService) -> None:
    """Add the queue, and the way to the next referral in it."""

    @blueprint.page("/desk/reviews", "review", tab="Reviews")
    def review_queue() -> Any:
        status = request.args.get("status", "open")
        if status not in get_args(ReviewStatus):
            status = "open"
        start = DecisionName.parse(request.args.get("start", ""))
        return render_template(
            "reviews.html",
            status=status,
            page=reviews.page(cast(ReviewStatus, status), start, _ON_A_PAGE),
            own=_claimed_by_visitor(),
            is_later=start is not None,
            done=DecisionName.parse(request.args.get("done", "")),
            is_empty="empty" in request.args,
        )

    @blueprint.page("/desk/reviews/next", "review", methods=("POST",))
    def review_next() -> Any:
        """Claim the oldest referral that the visitor may decide."""
        for reviewed in _undecided_by(g.visitor.name, reviews):
            decision_id = str(reviewed.referral.name)
            try:
                reviews.claim(decision_id, g.visitor.name)
            except (ReviewConflictError, UnknownDecisionError):
                # Somebody else was faster.
                continue
            return redirect(link("review", decision_id), 303)
        return redirect(link("review_queue", empty=1), 303)

    def _claimed_by_visitor() -> Sequence[ReviewedReferral]:
        claimed = reviews.page("claimed", None, _ON_A_PAGE).reviews
        return [reviewed for reviewed in claimed if reviewed.state.claimed_by == g.visitor.name]


def _undecided_by(name: str, reviews: ReviewService) -> Iterator[ReviewedReferral]:
    """Iterate over open referrals on which the API key has not decided yet, oldest first."""
    start: DecisionName | None = None
    for _ in range(_MOST_PAGES):
        page = reviews.page("open", start, _ON_A_PAGE)
        for reviewed in page.reviews:
            if all(step.by != name for step in reviewed.review.decisions):
                yield reviewed
        start = page.following
        if start is None:
            return
