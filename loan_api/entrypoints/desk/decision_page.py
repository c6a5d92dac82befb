"""One decision: the application, the model, the policy, the explanation, the history, and a replay."""

from typing import Any

from flask import redirect, render_template, request

from loan_api.entrypoints.desk.blueprint import DeskBlueprint
from loan_api.entrypoints.desk.decision_view import DecisionViews
from loan_api.entrypoints.desk.links import link
from loan_api.services.audit import RecordedBatch
from loan_api.services.reasons import ReasonsService, ReplayedDecision


def add_decision(blueprint: DeskBlueprint, views: DecisionViews, reasons: ReasonsService) -> None:
    """Add the page, which also shows whole batches."""

    @blueprint.page("/desk/decisions/<decision_id>", "audit")
    def decision(decision_id: str) -> Any:
        return _page(decision_id)

    @blueprint.page("/desk/decisions/<decision_id>/replay", "audit", methods=("POST",))
    def replay(decision_id: str) -> Any:
        return _page(decision_id, reasons.replay(decision_id))

    @blueprint.page("/desk/decisions/<decision_id>/replay", "audit")
    def replayed(decision_id: str) -> Any:
        # The result of a replay has this address, which a visitor may reload or bookmark.
        return redirect(link("decision", decision_id), 303)

    def _page(decision_id: str, replayed: ReplayedDecision | None = None) -> str:
        view = views.of(decision_id, explained="explain" in request.args)
        if isinstance(view, RecordedBatch):
            return render_template("batch.html", batch=view)
        return render_template("decision.html", **view, replayed=replayed)
