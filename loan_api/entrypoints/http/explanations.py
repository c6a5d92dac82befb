"""`/decisions/{decision_id}/reasons` and `/what-if`: explanations of recorded decisions."""

from typing import Any

import msgspec

from loan_api.entrypoints.http.access import Guard
from loan_api.entrypoints.http.blueprint import LoanBlueprint
from loan_api.entrypoints.http.decisions import ID_PARAMETER
from loan_api.entrypoints.http.explanation_schemas import ExplainedDecisionSchema, WhatIfSchema
from loan_api.services.audit import RecordedDecision
from loan_api.services.reasons import ReasonsService


def explanations_blueprint(reasons: ReasonsService, guard: Guard) -> LoanBlueprint:
    """Create the endpoints that explain recorded decisions."""
    blueprint = LoanBlueprint("explanations", __name__, description="Explain recorded decisions.")

    @blueprint.route("/decisions/<decision_id>/reasons", parameters=[ID_PARAMETER])
    @blueprint.doc(operationId="getReasons")
    @blueprint.needs("audit")
    @blueprint.response(200, ExplainedDecisionSchema, description="The reasons.")
    @blueprint.problems(404, 409, 500, 503)
    def get_reasons(decision_id: str) -> dict[str, Any]:
        """Explain a decision.

        Returns the contribution of every group of features to the probability and, unless the application was
        approved, the principal reasons. They are computed with the model version that decided.
        """
        guard.require("audit")
        explained = reasons.reasons_of(decision_id)
        found = explained.contributions
        return {
            **_head(explained.decision),
            "prediction": explained.decision.prediction,
            "decision": explained.decision.verdict.decision,
            "rule": explained.decision.verdict.rule,
            "probability": found.probability,
            "baseline": found.baseline,
            "exact": found.standard_error is None,
            "standard_error": found.standard_error,
            "contributions": found.contributions,
            "reasons": msgspec.to_builtins(explained.reasons),
        }

    @blueprint.route("/decisions/<decision_id>/what-if", parameters=[ID_PARAMETER])
    @blueprint.doc(operationId="getWhatIf")
    @blueprint.needs("audit")
    @blueprint.response(200, WhatIfSchema, description="The changes.")
    @blueprint.problems(404, 409, 500, 503)
    def get_what_if(decision_id: str) -> dict[str, Any]:
        """Find changes that would lead to approval.

        Returns, for each feature that the applicant can change, the smallest change that would have led to approval,
        within the range of the training data. If no single change is enough, returns the smallest pair of changes.
        Every change is verified by scoring it; nothing is recorded.
        """
        guard.require("audit")
        reversed_decision = reasons.what_if(decision_id)
        decision, found = reversed_decision.decision, reversed_decision.found

        return {
            **_head(decision),
            "prediction": decision.prediction,
            "probability": decision.probability,
            "together": found.together,
            "changes": [
                {
                    "feature": change.feature,
                    "from": _plain(change.old),
                    "to": _plain(change.new),
                    "probability": change.probability,
                }
                for change in found.changes
            ],
            "detail": _summary(decision, len(found.changes), together=found.together),
        }

    return blueprint


def _plain(value: Any) -> Any:
    """Return whole numbers without a decimal point."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _head(decision: RecordedDecision) -> dict[str, Any]:
    return {"decision_id": decision.decision_id, "model_version": decision.decider.semantic_version}


def _summary(decision: RecordedDecision, changes: int, *, together: bool) -> str:
    if decision.verdict.decision == "approve":
        return "The application was approved."
    if not changes:
        return "No change of one or two features that the applicant can change would lead to approval."
    if together:
        return "Both changes together would lead to approval."
    return "This change would lead to approval." if changes == 1 else "Each of these changes would lead to approval."
