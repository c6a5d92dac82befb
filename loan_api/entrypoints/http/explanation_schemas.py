"""Schemas of explanations, used for documentation only."""

from marshmallow import Schema, fields

from loan_api.entrypoints.http.audit_schemas import ID
from loan_api.entrypoints.http.enumerations import DECISION, POLICY_DECISION
from loan_api.entrypoints.http.schemas import MODEL_VERSION, PROBABILITY, ReasonSchema


class _ExplanationSchema(Schema):
    decision_id = fields.String(required=True, metadata=ID)
    model_version = fields.String(required=True, metadata=MODEL_VERSION)
    prediction = fields.Raw(
        required=True, metadata=DECISION.documented(description="1 approved, 0 rejected.", example=0)
    )
    probability = fields.Float(required=True, metadata={**PROBABILITY, "example": 0.12})


class ExplainedDecisionSchema(_ExplanationSchema):
    """The reasons for a decision. The baseline and all contributions sum to the probability."""

    decision = fields.Raw(
        required=True, metadata=POLICY_DECISION.documented(description="The decision of the policy.", example="decline")
    )
    rule = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Code of the rule that decided, or null.", "nullable": True},
    )

    baseline = fields.Float(
        required=True,
        metadata={
            "description": "Mean probability of the reference profiles.",
            "minimum": 0,
            "maximum": 1,
            "example": 0.91,
        },
    )
    exact = fields.Boolean(
        required=True, metadata={"description": "True if exact, false if estimated.", "example": True}
    )
    standard_error = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Largest standard error of the contributions if they are estimated, otherwise null."},
    )
    contributions = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        required=True,
        metadata={
            "description": "Contribution of each group of features to the probability.",
            "example": {"credit_score": -0.61, "income": -0.18},
        },
    )
    reasons = fields.List(
        fields.Nested(ReasonSchema),
        required=True,
        metadata={
            "description": "The principal reasons if the application was not approved, at most four, the most adverse"
            " first. If a rule declined, its reason is the only one."
        },
    )


class ChangeSchema(Schema):
    """A change of one feature."""

    feature = fields.String(required=True, metadata={"example": "income"})
    old = fields.Raw(
        data_key="from",
        required=True,
        allow_none=True,
        metadata={"description": "Value in the application: a number, a text, or null.", "example": 2500},
    )
    new = fields.Raw(
        data_key="to", required=True, metadata={"description": "Value that would lead to approval.", "example": 3100}
    )
    probability = fields.Float(required=True, metadata=PROBABILITY)


class WhatIfSchema(_ExplanationSchema):
    """The changes that would have led to approval."""

    together = fields.Boolean(
        required=True,
        metadata={
            "description": "True if the changes are needed together; false if each of them is sufficient.",
            "example": False,
        },
    )
    changes = fields.List(fields.Nested(ChangeSchema), required=True)
    detail = fields.String(
        required=True,
        metadata={"description": "The result in a sentence.", "example": "This change would lead to approval."},
    )
