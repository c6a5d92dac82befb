"""Schemas of responses, used for documentation only."""

from marshmallow import Schema, fields

from loan_api.entrypoints.http.enumerations import (
    DECISION,
    EFFECT,
    FEATURE_TYPE,
    HEALTH_STATUS,
    POLICY_DECISION,
    SCOPE,
    SCORER,
)

_PREDICTION = DECISION.documented(
    description="The model's own result at its threshold: 1 approved, 0 rejected.", example=1
)
PROBABILITY = {"description": "Probability of approval.", "minimum": 0, "maximum": 1, "example": 0.85}
MODEL_VERSION = {"description": "Semantic version of the model that made the decision.", "example": "1.0.0"}
_TIMESTAMP = {"description": "Time of the decision, in UTC.", "format": "date-time", "example": "2024-03-13T10:30:00Z"}
# Not format uuid: the id of a decision in a batch is BATCH_ID:ROW.
EXAMPLE_ID = "018e3765-c1c0-7cc4-8f1a-0e6ba4d6b0a1"
_IDENTIFIER = {"example": EXAMPLE_ID}


DECISION_FIELD = POLICY_DECISION.documented(description="The decision of the policy.", example="approve")
RULE_FIELD = {
    "description": "Code of the policy's rule that decided, or null if the probability did.",
    "nullable": True,
    "example": "loan_too_large",
}
POLICY_VERSION_FIELD = {
    "description": "Version of the policy, or null if no policy is configured and the model's threshold decides.",
    "nullable": True,
    "example": "2026-11",
}


class ReasonSchema(Schema):
    """A principal reason against an application."""

    code = fields.String(
        required=True,
        metadata={
            "description": "Group of features, as in `GET /model`, or code of the rule that declined.",
            "example": "credit_score",
        },
    )
    text = fields.String(
        required=True, metadata={"description": "Text for the applicant.", "example": "Credit score too low"}
    )
    features = fields.List(fields.String(metadata={"example": "credit_score"}), required=True)
    contribution = fields.Float(
        required=True,
        allow_none=True,
        metadata={
            "description": "Contribution of the group to the probability of approval; null for a rule.",
            "example": -0.61,
        },
    )


class DecidedApplicationSchema(Schema):
    """The decision on one application."""

    prediction = fields.Raw(required=True, metadata=_PREDICTION)
    probability = fields.Float(required=True, metadata=PROBABILITY)
    model_version = fields.String(required=True, metadata=MODEL_VERSION)
    timestamp = fields.String(required=True, metadata=_TIMESTAMP)
    decision_id = fields.String(
        required=True,
        metadata={"description": "Identifies the decision in lookups and outcome reports.", **_IDENTIFIER},
    )
    outside_training_range = fields.List(
        fields.String(metadata={"example": "income"}),
        required=True,
        metadata={
            "description": "Features whose value lies outside the training data. The model extrapolates there: treat"
            " the probability with caution."
        },
    )
    decision = fields.Raw(required=True, metadata=DECISION_FIELD)
    rule = fields.String(required=True, allow_none=True, metadata=RULE_FIELD)
    policy_version = fields.String(required=True, allow_none=True, metadata=POLICY_VERSION_FIELD)
    reasons = fields.List(
        fields.Nested(ReasonSchema),
        metadata={
            "description": "With `reasons=true`: the principal reasons if the application was not approved, at most"
            " four, most adverse first. If a rule declined, its reason is the only one."
        },
    )


class DecidedRowSchema(Schema):
    """The decision on one application of a batch."""

    prediction = fields.Raw(required=True, metadata=_PREDICTION)
    probability = fields.Float(required=True, metadata=PROBABILITY)
    row_id = fields.Integer(
        required=True, metadata={"description": "Position in `instances`, counting from 0.", "minimum": 0, "example": 0}
    )
    decision = fields.Raw(required=True, metadata=DECISION_FIELD)
    rule = fields.String(required=True, allow_none=True, metadata=RULE_FIELD)


class DecidedBatchSchema(Schema):
    """The decisions on a batch, in the order of its applications."""

    predictions = fields.List(fields.Nested(DecidedRowSchema), required=True)
    model_version = fields.String(required=True, metadata=MODEL_VERSION)
    timestamp = fields.String(required=True, metadata=_TIMESTAMP)
    batch_size = fields.Integer(required=True, metadata={"description": "Number of applications.", "example": 2})
    processing_time = fields.String(
        required=True, metadata={"description": "Time taken to decide the batch, in seconds.", "example": "0.150s"}
    )
    batch_id = fields.String(required=True, metadata={"description": "Identifies the batch in lookups.", **_IDENTIFIER})
    policy_version = fields.String(required=True, allow_none=True, metadata=POLICY_VERSION_FIELD)


class HealthChecksSchema(Schema):
    """The state of the service and of each dependency."""

    model_loaded = fields.Boolean(required=True, metadata={"example": True})
    api_status = fields.String(
        required=True, metadata={"description": "`ok`, or the reason for failure.", "example": "ok"}
    )
    model_version = fields.String(
        required=True, metadata={"description": "Semantic version of the served model, or `none`.", "example": "1.0.0"}
    )
    timestamp = fields.String(required=True, metadata={**_TIMESTAMP, "description": "Time of this report, in UTC."})
    database = fields.String(
        required=True, metadata={"description": "`ok`, or the problem with the database.", "example": "ok"}
    )
    decision_log = fields.String(
        required=True,
        metadata={"description": "`ok`, `off`, or the problem with recording decisions.", "example": "ok"},
    )
    registry = fields.String(
        required=True, metadata={"description": "`ok`, or the problem with the registry.", "example": "ok"}
    )
    access = fields.String(
        required=True, metadata={"description": "`ok`, or the problem with the file of API keys.", "example": "ok"}
    )
    policy = fields.String(
        required=True,
        metadata={"description": "`ok`, or the problem with the file of the credit policy.", "example": "ok"},
    )


class HealthSchema(Schema):
    """The health of the service."""

    status = fields.Raw(required=True, metadata=HEALTH_STATUS.documented(example="healthy"))
    checks = fields.Nested(HealthChecksSchema, required=True)


class ProbeSchema(Schema):
    """The result of a probe."""

    status = fields.String(required=True, metadata={"description": "`ok`, or the reason for failure.", "example": "ok"})


class FeatureSchema(Schema):
    """A feature of an application. Numbers have a unit and a range, categories have allowed values."""

    name = fields.String(required=True, metadata={"example": "income"})
    type = fields.Raw(required=True, metadata=FEATURE_TYPE.documented(example="integer"))
    description = fields.String(required=True)
    group = fields.String(
        required=True, metadata={"description": "Name under which reasons mention the feature.", "example": "income"}
    )
    optional = fields.Boolean(required=True, metadata={"description": "Whether the value may be null or absent."})
    actionable = fields.Boolean(required=True, metadata={"description": "Whether the applicant can change the value."})
    unit = fields.String(metadata={"example": "points"})
    minimum = fields.Float(metadata={"format": "double", "example": 300})
    maximum = fields.Float(metadata={"format": "double", "example": 900})
    effect = fields.Raw(
        allow_none=True,
        metadata=EFFECT.or_null(description="Effect of a larger value on the approval probability, all else equal."),
    )
    allowed_values = fields.List(fields.String())


class ModelSchema(Schema):
    """The served model."""

    name = fields.String(required=True, metadata={"example": "loan_approval_model"})
    version = fields.String(required=True, metadata={"description": "Semantic version.", "example": "1.0.0"})
    registry_version = fields.String(
        required=True, metadata={"description": "Version number in the MLflow registry.", "example": "1"}
    )
    stage = fields.String(required=True, metadata={"example": "Production"})
    aliases = fields.List(fields.String(), required=True, metadata={"example": ["champion"]})
    algorithm = fields.String(required=True, metadata={"example": "random_forest"})
    scorer = fields.Raw(required=True, metadata=SCORER.documented(example="compiled"))
    scorer_reason = fields.String(
        allow_none=True,
        required=True,
        metadata={"description": "Reason for serving the reference pipeline, or null for the compiled form."},
    )
    threshold = fields.Float(
        required=True, metadata={"description": "Lowest probability that is approved.", "example": 0.5}
    )
    metrics = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        required=True,
        metadata={"description": "Evaluation on the holdout set.", "example": {"f1": 0.99}},
    )
    features = fields.List(fields.Nested(FeatureSchema), required=True)
    dataset_digest = fields.String(required=True, metadata={"description": "SHA-256 of the training data."})
    feature_schema_digest = fields.String(
        required=True, metadata={"description": "SHA-256 of the feature declarations."}
    )
    run_id = fields.String(required=True, metadata={"description": "MLflow run that produced the model."})
    git_commit = fields.String(required=True, metadata={"description": "Commit of the training code."})
    loaded_at = fields.String(
        required=True,
        metadata={**_TIMESTAMP, "description": "Time at which the responding worker loaded the model, in UTC."},
    )


class ApiKeySchema(Schema):
    """An API key, without the key itself."""

    name = fields.String(required=True, metadata={"example": "web-shop"})
    scopes = fields.List(fields.Raw(metadata=SCOPE.documented()), required=True, metadata={"example": ["score"]})
    created_at = fields.String(required=True, metadata={**_TIMESTAMP, "description": "Time of creation, in UTC."})


class ApiKeysSchema(Schema):
    """The API keys in force."""

    keys = fields.List(fields.Nested(ApiKeySchema), required=True)


class FieldErrorSchema(Schema):
    """An invalid field."""

    pointer = fields.String(
        required=True,
        metadata={
            "description": "JSON pointer (RFC 6901) to the field in the request.",
            "example": "/instances/3/income",
        },
    )
    detail = fields.String(
        required=True,
        metadata={
            "description": "Description of the valid values.",
            "example": "Must be a whole number from 300 to 900.",
        },
    )


class ProblemSchema(Schema):
    """Problem details (RFC 9457)."""

    type = fields.String(
        required=True,
        metadata={
            "description": "Problem type. `about:blank` if the status says it all.",
            "format": "uri",
            "example": "urn:loan-api:problem:invalid-request",
        },
    )
    title = fields.String(
        required=True, metadata={"description": "The HTTP status in words.", "example": "Unprocessable Entity"}
    )
    status = fields.Integer(required=True, metadata={"description": "The HTTP status.", "example": 422})
    detail = fields.String(
        required=True, metadata={"description": "Explanation of this occurrence.", "example": "1 error in the request."}
    )
    request_id = fields.String(
        required=True, metadata={"description": "`X-Request-ID` of the response.", "example": EXAMPLE_ID}
    )
    errors = fields.List(
        fields.Nested(FieldErrorSchema), metadata={"description": "For a 422: the invalid fields, up to 100."}
    )
