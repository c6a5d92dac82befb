"""What the audit endpoints answer with, as documented."""

from marshmallow import Schema, fields

from loan_api.credit.features import example_application
from loan_api.entrypoints.http.enumerations import DECISION, ENDPOINT, OUTCOME
from loan_api.formats.schemas import ApplicationSchema

_ID = {"description": "The id of a decision, or BATCH_ID:ROW.", "example": "018e3765-c1c0-7cc4-8f1a-0e6ba4d6b0a1"}
_TIME = {"format": "date-time", "example": "2024-03-13T10:30:00.123456Z"}
_OUTCOME = OUTCOME.documented(example=1)


class RecordedOutcomeSchema(Schema):
    """What was told of a decision, and by whom."""

    outcome = fields.Raw(required=True, metadata=_OUTCOME)
    told_at = fields.String(required=True, metadata={"description": "When it was told, UTC.", **_TIME})
    told_by = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Name of an API key, or of an imported file.", "example": "operations"},
    )


class _DecidedSchema(Schema):
    decision_id = fields.String(required=True, metadata=_ID)
    endpoint = fields.Raw(required=True, metadata=ENDPOINT.documented(example="single"))
    request_id = fields.String(required=True, metadata={"description": "The X-Request-ID.", "example": _ID["example"]})
    decided_at = fields.String(required=True, metadata={"description": "When it was decided, UTC.", **_TIME})
    model_name = fields.String(required=True, metadata={"example": "loan_approval_model"})
    registry_version = fields.String(required=True, metadata={"example": "1"})
    model_version = fields.String(required=True, metadata={"example": "1.0.0"})
    threshold = fields.Float(
        required=True, metadata={"description": "Approved from this probability on.", "example": 0.5}
    )


class RecordedDecisionSchema(_DecidedSchema):
    """One decision as it was recorded."""

    features = fields.Nested(ApplicationSchema, required=True, metadata={"example": example_application()})
    probability = fields.Float(
        required=True, metadata={"description": "P(approved).", "minimum": 0, "maximum": 1, "example": 0.85}
    )
    prediction = fields.Raw(required=True, metadata=DECISION.documented(example=1))
    outcome = fields.Raw(required=True, metadata=OUTCOME.or_null(description="The last one told, or null.", example=1))


class FoundDecisionSchema(RecordedDecisionSchema):
    """One decision, with all that was told of it."""

    outcomes = fields.List(
        fields.Nested(RecordedOutcomeSchema), required=True, metadata={"description": "The last is in force."}
    )


class FoundBatchSchema(_DecidedSchema):
    """A batch as a whole."""

    endpoint = fields.Raw(required=True, metadata=ENDPOINT.documented(example="batch"))
    rows = fields.Integer(required=True, metadata={"description": "How many applications it decided.", "example": 2})
    approved = fields.Integer(required=True, metadata={"description": "How many it approved.", "example": 1})


# What is looked up may be either.
FOUND_SCHEMA = {"oneOf": [FoundDecisionSchema, FoundBatchSchema]}


class DecisionPageSchema(Schema):
    """Some decisions, the newest first."""

    decisions = fields.List(fields.Nested(RecordedDecisionSchema), required=True)
    unreadable = fields.List(
        fields.String(metadata={"example": _ID["example"]}),
        required=True,
        metadata={"description": "Ids of damaged records, decisions or whole batches, that would be on this page."},
    )
    next_cursor = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Asks for the next page; null on the last. A page before it may be short."},
    )


class OutcomeStateSchema(Schema):
    """What is known of the outcome of a decision."""

    decision_id = fields.String(required=True, metadata=_ID)
    outcome = fields.Raw(required=True, metadata=_OUTCOME)
    outcomes = fields.List(fields.Nested(RecordedOutcomeSchema), required=True)


class OutcomeCountSchema(Schema):
    """What came of telling many outcomes."""

    new = fields.Integer(required=True, metadata={"description": "Not known before."})
    known = fields.Integer(required=True, metadata={"description": "The last word already."})
