"""What the API answers with, as documented."""

from marshmallow import Schema, fields

from loan_api.entrypoints.http.enumerations import DECISION, FEATURE_TYPE, HEALTH_STATUS, SCOPE, SCORER

_PREDICTION = DECISION.documented(description="1 approved, 0 rejected.", example=1)
_PROBABILITY = {"description": "P(approved).", "minimum": 0, "maximum": 1, "example": 0.85}
_MODEL_VERSION = {"description": "Semantic version of the model that decided.", "example": "1.0.0"}
_TIMESTAMP = {"description": "When it was decided, UTC.", "format": "date-time", "example": "2024-03-13T10:30:00Z"}
# A text, as ids are to who keeps them: that of a decision in a batch is BATCH_ID:ROW.
_IDENTIFIER = {"example": "018e3765-c1c0-7cc4-8f1a-0e6ba4d6b0a1"}


class DecidedApplicationSchema(Schema):
    """The decision on one application."""

    prediction = fields.Raw(required=True, metadata=_PREDICTION)
    probability = fields.Float(required=True, metadata=_PROBABILITY)
    model_version = fields.String(required=True, metadata=_MODEL_VERSION)
    timestamp = fields.String(required=True, metadata=_TIMESTAMP)
    decision_id = fields.String(required=True, metadata={"description": "Names this decision.", **_IDENTIFIER})


class DecidedRowSchema(Schema):
    """The decision on one application of a batch."""

    prediction = fields.Raw(required=True, metadata=_PREDICTION)
    probability = fields.Float(required=True, metadata=_PROBABILITY)
    row_id = fields.Integer(
        required=True, metadata={"description": "Its position in `instances`, from 0.", "minimum": 0, "example": 0}
    )


class DecidedBatchSchema(Schema):
    """The decisions on a batch, in the order of its applications."""

    predictions = fields.List(fields.Nested(DecidedRowSchema), required=True)
    model_version = fields.String(required=True, metadata=_MODEL_VERSION)
    timestamp = fields.String(required=True, metadata=_TIMESTAMP)
    batch_size = fields.Integer(required=True, metadata={"description": "Rows decided.", "example": 2})
    processing_time = fields.String(
        required=True, metadata={"description": "Time to score and decide, in seconds.", "example": "0.150s"}
    )
    batch_id = fields.String(required=True, metadata={"description": "Names this batch.", **_IDENTIFIER})


class HealthChecksSchema(Schema):
    """The state of each part."""

    model_loaded = fields.Boolean(required=True)
    api_status = fields.String(required=True, metadata={"example": "ok"})
    model_version = fields.String(
        required=True, metadata={"description": "`none` without a model.", "example": "1.0.0"}
    )
    timestamp = fields.String(required=True, metadata={**_TIMESTAMP, "description": "When this was looked at, UTC."})
    database = fields.String(required=True, metadata={"description": "`ok`, or what is wrong.", "example": "ok"})
    decision_log = fields.String(
        required=True, metadata={"description": "`ok`, `off`, or what is wrong.", "example": "ok"}
    )
    registry = fields.String(required=True, metadata={"description": "`ok`, or what is wrong.", "example": "ok"})
    access = fields.String(
        required=True, metadata={"description": "`ok`, or what is wrong with the API keys.", "example": "ok"}
    )


class HealthSchema(Schema):
    """Whether the service can do its work."""

    status = fields.Raw(required=True, metadata=HEALTH_STATUS.documented(example="healthy"))
    checks = fields.Nested(HealthChecksSchema, required=True)


class ProbeSchema(Schema):
    """The answer to a probe."""

    status = fields.String(required=True, metadata={"example": "ok"})


class FeatureSchema(Schema):
    """One feature of an application. Numbers have unit, minimum and maximum; categories have allowed values."""

    name = fields.String(required=True, metadata={"example": "cibil_score"})
    type = fields.Raw(required=True, metadata=FEATURE_TYPE.documented(example="integer"))
    description = fields.String(required=True)
    unit = fields.String(metadata={"example": "points"})
    minimum = fields.Integer(metadata={"format": "int64", "example": 300})
    maximum = fields.Integer(metadata={"format": "int64", "example": 900})
    allowed_values = fields.List(fields.String())


class ModelSchema(Schema):
    """The model that is served."""

    name = fields.String(required=True, metadata={"example": "loan_approval_model"})
    version = fields.String(required=True, metadata={"description": "Semantic version.", "example": "1.0.0"})
    registry_version = fields.String(required=True, metadata={"description": "Version in MLflow.", "example": "1"})
    stage = fields.String(required=True, metadata={"example": "Production"})
    aliases = fields.List(fields.String(), required=True, metadata={"example": ["champion"]})
    algorithm = fields.String(required=True, metadata={"example": "random_forest"})
    scorer = fields.Raw(required=True, metadata=SCORER.documented(example="compiled"))
    scorer_reason = fields.String(
        allow_none=True,
        required=True,
        metadata={"description": "Why the reference pipeline computes them; null where the compiled form does."},
    )
    threshold = fields.Float(
        required=True, metadata={"description": "Approved from this probability on.", "example": 0.5}
    )
    metrics = fields.Dict(
        keys=fields.String(), values=fields.Float(), required=True, metadata={"example": {"f1": 0.99}}
    )
    features = fields.List(fields.Nested(FeatureSchema), required=True)
    dataset_digest = fields.String(required=True, metadata={"description": "SHA-256 of the training data."})
    feature_schema_digest = fields.String(required=True, metadata={"description": "SHA-256 of the features."})
    run_id = fields.String(required=True, metadata={"description": "MLflow run that made it."})
    git_commit = fields.String(required=True, metadata={"description": "Code that made it."})
    loaded_at = fields.String(
        required=True, metadata={**_TIMESTAMP, "description": "When the worker that answers has loaded it, UTC."}
    )


class ApiKeySchema(Schema):
    """An API key; of the key itself nothing is known."""

    name = fields.String(required=True, metadata={"example": "web-shop"})
    scopes = fields.List(fields.Raw(metadata=SCOPE.documented()), required=True, metadata={"example": ["score"]})
    created_at = fields.String(required=True, metadata={**_TIMESTAMP, "description": "When it was made, UTC."})


class ApiKeysSchema(Schema):
    """The API keys in force."""

    keys = fields.List(fields.Nested(ApiKeySchema), required=True)


class FieldErrorSchema(Schema):
    """One refused field."""

    pointer = fields.String(
        required=True,
        metadata={"description": "JSON pointer (RFC 6901) into the request.", "example": "/instances/3/cibil_score"},
    )
    detail = fields.String(
        required=True,
        metadata={"description": "What was expected.", "example": "Must be a whole number from 300 to 900."},
    )


class ProblemSchema(Schema):
    """Problem details (RFC 9457)."""

    type = fields.String(
        required=True,
        metadata={
            "description": "What kind of problem it is; `about:blank` where the status says all.",
            "format": "uri",
            "example": "urn:loan-api:problem:invalid-request",
        },
    )
    title = fields.String(
        required=True, metadata={"description": "The status in words.", "example": "Unprocessable Entity"}
    )
    status = fields.Integer(required=True, metadata={"description": "The HTTP status.", "example": 422})
    detail = fields.String(
        required=True, metadata={"description": "What is wrong this time.", "example": "1 error in the request."}
    )
    request_id = fields.String(
        required=True, metadata={"description": "The X-Request-ID of the answer.", "example": _IDENTIFIER["example"]}
    )
    errors = fields.List(
        fields.Nested(FieldErrorSchema), metadata={"description": "Of a 422: the refused fields, 100 at most."}
    )
