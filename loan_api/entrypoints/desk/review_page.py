"""The review of a referral: a reviewer claims it and decides."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast, get_args

from flask import g, redirect, render_template, request

from loan_api.credit.form import Form
from loan_api.entrypoints.desk.blueprint import DeskBlueprint
from loan_api.entrypoints.desk.decision_view import DecisionViews
from loan_api.entrypoints.desk.links import link
from loan_api.errors import ReviewConflictError, UnknownDecisionError
from loan_api.services.audit import RecordedBatch
from loan_api.services.review_state import LONGEST_NOTE, LONGEST_REASON, ReviewDecision, is_note, is_reason
from loan_api.services.reviews import ReviewService

_CLAIM = "claim"
# Reviewers type words; codes join them with underscores.
_BETWEEN_WORDS = re.compile(r"[\s-]+")


def add_review(blueprint: DeskBlueprint, form: Form, views: DecisionViews, reviews: ReviewService) -> None:
    """Add the page."""
    suggestions = [group.name for group in form.groups]

    @blueprint.page("/desk/reviews/<decision_id>", "review")
    def review(decision_id: str) -> Any:
        return _page(decision_id, {}, {})

    @blueprint.page("/desk/reviews/<decision_id>", "review", methods=("POST",))
    def decide_review(decision_id: str) -> Any:
        names = ("action", "reason", "note", "override")
        # Browsers end lines as HTTP does.
        entered = {name: request.form.get(name, "").strip().replace("\r\n", "\n") for name in names}
        try:
            if entered["action"] == _CLAIM:
                reviews.claim(decision_id, g.visitor.name)
                return redirect(link("review", decision_id), 303)
            errors = _errors(entered)
            if errors:
                return _page(decision_id, entered, errors), HTTPStatus.UNPROCESSABLE_ENTITY
            _decide(reviews, decision_id, entered)
        except ReviewConflictError as error:
            return _page(decision_id, entered, {"conflict": str(error)}), HTTPStatus.CONFLICT
        return redirect(link("review_queue", done=decision_id), 303)

    def _page(decision_id: str, entered: Mapping[str, str], errors: Mapping[str, str]) -> str:
        view = views.of(decision_id, explained="explain" in request.args)
        if isinstance(view, RecordedBatch):
            raise UnknownDecisionError
        if view["reviewed"] is None:
            raise ReviewConflictError("The decision was not referred, so there is nothing to review.")
        return render_template(
            "review.html",
            **view,
            entered=entered,
            errors=errors,
            suggestions=suggestions,
            longest_reason=LONGEST_REASON,
            longest_note=LONGEST_NOTE,
        )


def _decide(reviews: ReviewService, decision_id: str, entered: Mapping[str, str]) -> None:
    def decide() -> None:
        reviews.decide(
            decision_id,
            g.visitor.name,
            cast(ReviewDecision, entered["action"]),
            _code(entered["reason"]),
            entered["note"],
            override=bool(entered["override"]),
        )

    try:
        # Decide first: submitting the form twice repeats the decision, which is not an error.
        decide()
    except ReviewConflictError:
        # An expired claim does no harm if nobody has claimed or decided the referral since.
        if not reviews.find(decision_id).review.was_last_claimed_by(g.visitor.name):
            raise
        reviews.claim(decision_id, g.visitor.name)
        decide()


def _code(reason: str) -> str:
    return _BETWEEN_WORDS.sub("_", reason)


def _errors(entered: Mapping[str, str]) -> Mapping[str, str]:
    """Return what is wrong with a reviewer's decision, by field."""
    errors = {}
    if entered["action"] not in get_args(ReviewDecision):
        errors["conflict"] = "Choose whether to approve or to decline."
    if not is_reason(_code(entered["reason"])):
        errors["reason"] = f"Must be 1 to {LONGEST_REASON} letters, digits and _."
    if not is_note(entered["note"]):
        errors["note"] = f"Must be a text of at most {LONGEST_NOTE:,} characters."
    return errors
