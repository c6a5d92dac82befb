"""Schemas of the audit endpoints' responses, used for documentation only."""

from dataclasses import dataclass

from marshmallow import Schema, fields

from loan_api.entrypoints.http.enumerations import DECISION, ENDPOINT, OUTCOME
from loan_api.entrypoints.http.review_schemas import ReviewSchema
from loan_api.entrypoints.http.schemas import DECISION_FIELD, EXAMPLE_ID, POLICY_VERSION_FIELD, RULE_FIELD
from loan_api.formats.applications import ApplicationCodec

ID = {
    "description": "Id of the decision. For a row of a batch, `BATCH_ID:ROW`.",
    "example": "018e3765-c1c0-7cc4-8f1a-0e6ba4d6b0a1",
}
_TIME = {"format": "date-time", "example": "2024-03-13T10:30:00.123456Z"}
_OUTCOME = OUTCOME.documented(example=1)


class RecordedOutcomeSchema(Schema):
    """An outcome report."""

    outcome = fields.Raw(required=True, metadata=_OUTCOME)
    told_at = fields.String(required=True, metadata={"description": "Time of the report, in UTC.", **_TIME})
    told_by = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "Source of the report: the name of an API key or of an imported file.",
            "example": "operations",
        },
    )


class _DecidedSchema(Schema):
    decision_id = fields.String(required=True, metadata=ID)
    endpoint = fields.Raw(required=True, metadata=ENDPOINT.documented(example="single"))
    request_id = fields.String(
        required=True, metadata={"description": "`X-Request-ID` of the request.", "example": EXAMPLE_ID}
    )
    decided_at = fields.String(required=True, metadata={"description": "Time of the decision, in UTC.", **_TIME})
    model_name = fields.String(required=True, metadata={"example": "loan_approval_model"})
    registry_version = fields.String(required=True, metadata={"example": "1"})
    model_version = fields.String(required=True, metadata={"example": "1.0.0"})
    threshold = fields.Float(
        required=True, metadata={"description": "Lowest probability that was approved.", "example": 0.5}
    )
    policy_version = fields.String(required=True, allow_none=True, metadata=POLICY_VERSION_FIELD)
    policy_digest = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "SHA-256 of the policy's text, or null if the model's threshold decided."},
    )


class _RecordedDecision(_DecidedSchema):
    """A recorded decision."""

    probability = fields.Float(
        required=True, metadata={"description": "Probability of approval.", "minimum": 0, "maximum": 1, "example": 0.85}
    )
    prediction = fields.Raw(required=True, metadata=DECISION.documented(example=1))
    outcome = fields.Raw(
        required=True, metadata=OUTCOME.or_null(description="Latest reported outcome, or null.", example=1)
    )
    decision = fields.Raw(required=True, metadata=DECISION_FIELD)
    rule = fields.String(required=True, allow_none=True, metadata=RULE_FIELD)


class _FoundDecision(_RecordedDecision):
    """A recorded decision with its outcome reports."""

    outcomes = fields.List(
        fields.Nested(RecordedOutcomeSchema),
        required=True,
        metadata={"description": "All reports, oldest first. The last one is in force."},
    )
    review = fields.Nested(
        ReviewSchema,
        required=True,
        allow_none=True,
        metadata={"description": "The review if the decision was referred, otherwise null."},
    )


class FoundBatchSchema(_DecidedSchema):
    """A summary of a recorded batch."""

    endpoint = fields.Raw(required=True, metadata=ENDPOINT.documented(example="batch"))
    rows = fields.Integer(required=True, metadata={"description": "Number of applications.", "example": 2})
    approved = fields.Integer(required=True, metadata={"description": "Number with prediction 1.", "example": 1})
    referred = fields.Integer(required=True, metadata={"description": "Number of referred applications.", "example": 0})
    declined = fields.Integer(required=True, metadata={"description": "Number of declined applications.", "example": 1})


class _DecisionPage(Schema):
    """A page of decisions, newest first."""

    unreadable = fields.List(
        fields.String(metadata={"example": EXAMPLE_ID}),
        required=True,
        metadata={"description": "Ids of damaged records (decisions or batches) that belong on this page."},
    )
    next_cursor = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Pass it as `cursor` to get the next page. Null on the last page."},
    )


class OutcomeStateSchema(Schema):
    """The outcome of a decision and its history."""

    decision_id = fields.String(required=True, metadata=ID)
    outcome = fields.Raw(required=True, metadata=_OUTCOME)
    outcomes = fields.List(fields.Nested(RecordedOutcomeSchema), required=True)


class OutcomeCountSchema(Schema):
    """The result of a bulk report."""

    new = fields.Integer(required=True, metadata={"description": "Number of reports stored."})
    known = fields.Integer(required=True, metadata={"description": "Number of duplicates ignored."})


@dataclass(frozen=True)
class DecisionSchemas:
    """The schemas of responses that contain applications."""

    found: type[Schema]
    page: type[Schema]


def decision_schemas(codec: ApplicationCodec) -> DecisionSchemas:
    """Return the schemas for the applications of a form."""
    features = fields.Nested(codec.schema, required=True, metadata={"example": codec.form.example()})
    recorded = _RecordedDecision.from_dict({"features": features}, name="RecordedDecision")
    found = _FoundDecision.from_dict({"features": features}, name="FoundDecision")
    decisions = fields.List(fields.Nested(recorded), required=True)
    return DecisionSchemas(found, _DecisionPage.from_dict({"decisions": decisions}, name="DecisionPage"))
