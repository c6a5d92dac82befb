"""`/decisions` and `/outcomes`: the audit trail, and outcome reports."""

from collections.abc import Sequence
from typing import Any

from loan_api.credit.form import Form
from loan_api.entrypoints.http.access import Guard
from loan_api.entrypoints.http.audit_requests import (
    OutcomeReportSchema,
    OutcomeReportsSchema,
    SearchSchema,
    decode_outcome,
    decode_outcomes,
    decode_search,
    refusals_of_unknown,
)
from loan_api.entrypoints.http.audit_schemas import (
    FoundBatchSchema,
    OutcomeCountSchema,
    OutcomeStateSchema,
    decision_schemas,
)
from loan_api.entrypoints.http.blueprint import LoanBlueprint
from loan_api.entrypoints.http.body import read_json
from loan_api.entrypoints.http.request_fields import cursor_of
from loan_api.entrypoints.http.requests import current_request
from loan_api.entrypoints.http.reviewed import review_summary
from loan_api.errors import UnknownDecisionsError
from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.codecs import JSON
from loan_api.formats.timestamps import exact_utc_text
from loan_api.services.audit import (
    AuditService,
    DecidingPolicy,
    FoundDecision,
    RecordedBatch,
    RecordedDecision,
    ReportedOutcome,
)
from loan_api.services.reviews import ReviewService

_OUTCOME_BYTES = 2**10
_OUTCOMES_BYTES = 2**21
_ID_DESCRIPTION = "A `decision_id`, a `batch_id`, or `BATCH_ID:ROW` for one row of a batch (rows count from 0)."
ID_PARAMETER = {
    "name": "decision_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "description": _ID_DESCRIPTION},
    "description": _ID_DESCRIPTION,
}


def decisions_blueprint(
    codec: ApplicationCodec, audit: AuditService, reviews: ReviewService, guard: Guard, max_request_bytes: int
) -> LoanBlueprint:
    """Create the endpoints for looking up decisions and reporting outcomes."""
    form, schemas = codec.form, decision_schemas(codec)
    found_schema = {"oneOf": [schemas.found, FoundBatchSchema]}
    blueprint = LoanBlueprint(
        "decisions", __name__, description="Look up recorded decisions and report how the loans turned out."
    )

    @blueprint.route("/decisions/<decision_id>", parameters=[ID_PARAMETER])
    @blueprint.doc(operationId="getDecision")
    @blueprint.needs("audit")
    @blueprint.response(200, found_schema, description="The decision, or the summary of a batch.")
    @blueprint.problems(404, 500, 503)
    def get_decision(decision_id: str) -> dict[str, Any]:
        """Get a decision.

        Returns the decision with the application, the model version, the policy, the review of a referral, and all
        outcome reports. For a `batch_id`, returns a summary of the batch; for `BATCH_ID:ROW`, the decision on that row.
        """
        guard.require("audit")
        found = audit.find(decision_id)
        if isinstance(found, RecordedBatch):
            return _batch(found)
        return _found(form, found) | {"review": review_summary(reviews.of(found.decision))}

    @blueprint.route("/decisions")
    @blueprint.doc(operationId="listDecisions")
    @blueprint.searches(SearchSchema)
    @blueprint.needs("audit")
    @blueprint.response(200, schemas.page, description="A page of decisions.")
    @blueprint.problems(422, 500, 503)
    def list_decisions() -> dict[str, Any]:
        """Search decisions.

        Returns the decisions that match all filters, newest first, with one entry for each row of a batch. To get the
        next page, pass `next_cursor` as `cursor`, until it is null. A page may be short, or even empty, before the
        end, because the work per request is bounded.
        """
        guard.require("audit")
        page = audit.search(*decode_search(current_request().args.to_dict(flat=False)))
        return {
            "decisions": [_decision(form, decision) for decision in page.decisions],
            "unreadable": list(page.unreadable),
            "next_cursor": cursor_of(page.following),
        }

    @blueprint.route("/decisions/<decision_id>/outcome", methods=["PUT"], parameters=[ID_PARAMETER])
    @blueprint.doc(operationId="recordOutcome")
    @blueprint.accepts({JSON: OutcomeReportSchema})
    @blueprint.needs("audit")
    @blueprint.response(200, OutcomeStateSchema, description="The outcome in force and its history.")
    @blueprint.problems(400, 404, 408, 413, 415, 422, 500, 503)
    def record_outcome(decision_id: str) -> dict[str, Any]:
        """Report the outcome of a decision.

        Reports whether the loan turned out good or bad. The latest report wins and earlier ones are kept as history.
        Retrying is safe: a report that repeats the latest one is ignored.
        """
        reporter = guard.require("audit")
        outcome = decode_outcome(read_json(current_request(), _OUTCOME_BYTES))
        state = audit.report_outcome(decision_id, outcome, reporter)
        return {
            "decision_id": state.decision_id,
            "outcome": state.outcomes[-1].outcome,
            "outcomes": _reports(state.outcomes),
        }

    @blueprint.route("/outcomes", methods=["POST"])
    @blueprint.doc(operationId="recordOutcomes")
    @blueprint.accepts({JSON: OutcomeReportsSchema})
    @blueprint.needs("audit")
    @blueprint.response(200, OutcomeCountSchema, description="The numbers of new and duplicate reports.")
    @blueprint.problems(400, 408, 413, 415, 422, 500, 503)
    def record_outcomes() -> dict[str, int]:
        """Report outcomes in bulk.

        All are stored, or none if any decision is unknown. Retrying is safe: duplicates are ignored.
        """
        reporter = guard.require("audit")
        reports = decode_outcomes(read_json(current_request(), min(_OUTCOMES_BYTES, max_request_bytes)))
        try:
            count = audit.report_outcomes(reports, reporter)
        except UnknownDecisionsError as error:
            raise refusals_of_unknown(list(error.positions)) from error
        return {"new": count.new, "known": count.known}

    return blueprint


def _found(form: Form, found: FoundDecision) -> dict[str, Any]:
    return _decision(form, found.decision) | {"outcomes": _reports(found.outcomes)}


def _decision(form: Form, decision: RecordedDecision) -> dict[str, Any]:
    # Features are scored as floats. Return whole numbers as they were sent.
    whole = {number.name for number in form.numbers if number.whole}
    recorded = {name: decision.features.get(name) for name in form.names}
    features = {name: int(value) if name in whole and value is not None else value for name, value in recorded.items()}
    return {
        "decision_id": decision.decision_id,
        "endpoint": decision.endpoint,
        "request_id": decision.request_id,
        "decided_at": exact_utc_text(decision.decided_at),
        **decision.decider.to_public(),
        "features": features,
        "probability": decision.probability,
        "prediction": decision.prediction,
        "outcome": decision.outcome,
        **decision.verdict._asdict(),
        **_policy(decision.policy),
    }


def _batch(batch: RecordedBatch) -> dict[str, Any]:
    return {
        "decision_id": batch.batch_id,
        "endpoint": "batch",
        "request_id": batch.request_id,
        "decided_at": exact_utc_text(batch.decided_at),
        **batch.decider.to_public(),
        "rows": batch.rows,
        "approved": batch.approved,
        "referred": batch.referred,
        "declined": batch.declined,
        **_policy(batch.policy),
    }


def _policy(policy: DecidingPolicy | None) -> dict[str, Any]:
    return {"policy_version": policy and policy.version, "policy_digest": policy and policy.digest}


def _reports(outcomes: Sequence[ReportedOutcome]) -> list[dict[str, Any]]:
    return [
        {"outcome": each.outcome, "told_at": exact_utc_text(each.reported_at), "told_by": each.reported_by}
        for each in outcomes
    ]
