"""`/decisions` and `/outcomes`: what was decided, and what became of it."""

from collections.abc import Sequence
from typing import Any

from loan_api.credit.features import NUMBERS
from loan_api.entrypoints.http.access import Guard
from loan_api.entrypoints.http.audit_requests import (
    OutcomeReportSchema,
    OutcomeReportsSchema,
    SearchSchema,
    cursor_of,
    decode_outcome,
    decode_outcomes,
    decode_search,
    refusals_of_unknown,
)
from loan_api.entrypoints.http.audit_schemas import (
    FOUND_SCHEMA,
    DecisionPageSchema,
    OutcomeCountSchema,
    OutcomeStateSchema,
)
from loan_api.entrypoints.http.blueprint import LoanBlueprint
from loan_api.entrypoints.http.body import media_type, read_at_once
from loan_api.entrypoints.http.requests import current_request
from loan_api.errors import UnknownDecisionsError
from loan_api.formats.codecs import JSON
from loan_api.formats.timestamps import exact_utc_text
from loan_api.services.audit import AuditService, FoundDecision, RecordedBatch, RecordedDecision, ToldOutcome
from loan_api.services.decision_log import Decider

_OUTCOME_BYTES = 2**10
_OUTCOMES_BYTES = 2**21
_WHOLE = tuple(number.name for number in NUMBERS if number.whole)
_ID_DESCRIPTION = "A decision_id, a batch_id, or BATCH_ID:ROW."
_ID_PARAMETER = {
    "name": "decision_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "description": _ID_DESCRIPTION},
    "description": _ID_DESCRIPTION,
}


def decisions_blueprint(audit: AuditService, guard: Guard, max_request_bytes: int) -> LoanBlueprint:
    """The endpoints for auditors, and for those who learn what became of decisions."""
    blueprint = LoanBlueprint("decisions", __name__, description="Recorded decisions and their outcomes.")

    @blueprint.route("/decisions/<decision_id>", parameters=[_ID_PARAMETER])
    @blueprint.doc(operationId="getDecision")
    @blueprint.needs("audit")
    @blueprint.response(200, FOUND_SCHEMA)
    @blueprint.problems(404, 500, 503)
    def get_decision(decision_id: str) -> dict[str, Any]:
        """Look one decision up, or a batch as a whole."""
        guard.require("audit")
        found = audit.find(decision_id)
        return _batch(found) if isinstance(found, RecordedBatch) else _found(found)

    @blueprint.route("/decisions")
    @blueprint.doc(operationId="listDecisions")
    @blueprint.searches(SearchSchema)
    @blueprint.needs("audit")
    @blueprint.response(200, DecisionPageSchema)
    @blueprint.problems(422, 500, 503)
    def list_decisions() -> dict[str, Any]:
        """List decisions, the newest first, those of a batch row by row.

        A page may be short while `next_cursor` is there, as the work for one page is bounded.
        """
        guard.require("audit")
        page = audit.search(*decode_search(current_request().args.to_dict(flat=False)))
        return {
            "decisions": [_decision(decision) for decision in page.decisions],
            "unreadable": list(page.unreadable),
            "next_cursor": cursor_of(page.following),
        }

    @blueprint.route("/decisions/<decision_id>/outcome", methods=["PUT"], parameters=[_ID_PARAMETER])
    @blueprint.doc(operationId="recordOutcome")
    @blueprint.accepts({JSON: OutcomeReportSchema})
    @blueprint.needs("audit")
    @blueprint.response(200, OutcomeStateSchema)
    @blueprint.problems(400, 404, 408, 413, 415, 422, 500, 503)
    def record_outcome(decision_id: str) -> dict[str, Any]:
        """Record what really happened. It may be recorded again; the last word stands, and all are kept."""
        told_by = guard.require("audit")
        asked = current_request()
        media_type(asked, (JSON,))
        state = audit.tell(decision_id, decode_outcome(read_at_once(asked, _OUTCOME_BYTES)), told_by)
        return {
            "decision_id": state.decision_id,
            "outcome": state.outcomes[-1].outcome,
            "outcomes": _told(state.outcomes),
        }

    @blueprint.route("/outcomes", methods=["POST"])
    @blueprint.doc(operationId="recordOutcomes")
    @blueprint.accepts({JSON: OutcomeReportsSchema})
    @blueprint.needs("audit")
    @blueprint.response(200, OutcomeCountSchema)
    @blueprint.problems(400, 408, 413, 415, 422, 500, 503)
    def record_outcomes() -> dict[str, int]:
        """Record what became of many decisions: of all of them or, where one is not recorded, of none."""
        told_by = guard.require("audit")
        asked = current_request()
        media_type(asked, (JSON,))
        tellings = decode_outcomes(read_at_once(asked, min(_OUTCOMES_BYTES, max_request_bytes)))
        try:
            count = audit.tell_all(tellings, told_by)
        except UnknownDecisionsError as error:
            raise refusals_of_unknown(list(error.positions)) from error
        return {"new": count.new, "known": count.known}

    return blueprint


def _found(found: FoundDecision) -> dict[str, Any]:
    return _decision(found.decision) | {"outcomes": _told(found.outcomes)}


def _decision(decision: RecordedDecision) -> dict[str, Any]:
    features = dict(decision.features)
    # As they were sent: they are scored as floats.
    features |= {name: int(features[name]) for name in _WHOLE}
    return {
        "decision_id": decision.decision_id,
        "endpoint": decision.endpoint,
        "request_id": decision.request_id,
        "decided_at": exact_utc_text(decision.decided_at),
        **_decider(decision.decider),
        "features": features,
        "probability": decision.probability,
        "prediction": decision.prediction,
        "outcome": decision.outcome,
    }


def _batch(batch: RecordedBatch) -> dict[str, Any]:
    return {
        "decision_id": batch.batch_id,
        "endpoint": "batch",
        "request_id": batch.request_id,
        "decided_at": exact_utc_text(batch.decided_at),
        **_decider(batch.decider),
        "rows": batch.rows,
        "approved": batch.approved,
    }


def _decider(decider: Decider) -> dict[str, Any]:
    return {
        "model_name": decider.model_name,
        "registry_version": decider.registry_version,
        "model_version": decider.semantic_version,
        "threshold": decider.threshold,
    }


def _told(outcomes: Sequence[ToldOutcome]) -> list[dict[str, Any]]:
    return [
        {"outcome": told.outcome, "told_at": exact_utc_text(told.told_at), "told_by": told.told_by} for told in outcomes
    ]
