"""What the audit endpoints answer with, as documented."""

from marshmallow import Schema, fields

from loan_api.credit.features import example_application
from loan_api.wire.schemas import ApplicationSchema

_ID = {"description": "The id of a decision, or BATCH_ID:ROW.", "example": "018e3765-c1c0-7cc4-8f1a-0e6ba4d6b0a1"}
_TIME = {"format": "date-time", "example": "2024-03-13T10:30:00.123456Z"}
_OUTCOME = {"description": "What really happened: 1 good, 0 bad.", "enum": [0, 1], "example": 1}


class ToldOutcomeSchema(Schema):
    """What was told of a decision, and by whom."""

    outcome = fields.Integer(required=True, metadata=_OUTCOME)
    told_at = fields.String(required=True, metadata=_TIME)
    told_by = fields.String(
        required=True, allow_none=True, metadata={"description": "Name of an API key, or of an imported file."}
    )


class _DecidedSchema(Schema):
    decision_id = fields.String(required=True, metadata=_ID)
    endpoint = fields.String(required=True, metadata={"enum": ["single", "batch"]})
    request_id = fields.String(required=True)
    decided_at = fields.String(required=True, metadata=_TIME)
    model_name = fields.String(required=True, metadata={"example": "loan_approval_model"})
    registry_version = fields.String(required=True, metadata={"example": "1"})
    model_version = fields.String(required=True, metadata={"example": "1.0.0"})
    threshold = fields.Float(required=True, metadata={"description": "Approved from this probability on."})


class RecordedDecisionSchema(_DecidedSchema):
    """One decision as it was recorded."""

    features = fields.Nested(ApplicationSchema, required=True, metadata={"example": example_application()})
    probability = fields.Float(required=True, metadata={"description": "P(approved).", "minimum": 0, "maximum": 1})
    prediction = fields.Integer(required=True, metadata={"description": "1 approved, 0 rejected.", "enum": [0, 1]})
    outcome = fields.Integer(
        required=True, allow_none=True, metadata={"description": "The last one told, or null.", "example": 1}
    )


class FoundDecisionSchema(RecordedDecisionSchema):
    """One decision, with all that was told of it; or, asked for without a row, a batch: its `rows` and `approved`."""

    outcomes = fields.List(fields.Nested(ToldOutcomeSchema), metadata={"description": "The last is in force."})
    rows = fields.Integer(metadata={"description": "Of a batch: how many it decided."})
    approved = fields.Integer(metadata={"description": "Of a batch: how many it approved."})


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
    outcome = fields.Integer(required=True, metadata=_OUTCOME)
    outcomes = fields.List(fields.Nested(ToldOutcomeSchema), required=True)


class OutcomeCountSchema(Schema):
    """What came of telling many outcomes."""

    new = fields.Integer(required=True, metadata={"description": "Not known before."})
    known = fields.Integer(required=True, metadata={"description": "The last word already."})
