"""Wire schemas. That of an application is derived from the feature declarations."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, pre_load

from loan_api.api.refusals import Refusal
from loan_api.credit.errors import BatchTooLargeError
from loan_api.credit.features import (
    FEATURES,
    CategoryFeature,
    Feature,
    NumberFeature,
    example_application,
)

_SCHEMA_MESSAGES = {
    "unknown": Refusal("This field is not known.", "unknown"),
    "type": Refusal("Must be a JSON object.", "type"),
}


class _StrictField(fields.Field[Any]):
    """A required field whose refusals carry their reason."""

    def make_error(self, key: str, **_: Any) -> ValidationError:
        """The refusal for marshmallow's own checks."""
        texts = {"required": ("This field is missing.", "missing"), "null": ("Must not be null.", "null")}
        return ValidationError(Refusal(*texts[key]))


class NumberField(_StrictField):
    """A JSON number of the feature's kind and range. 5.0 is a whole number; "5" and true are not numbers."""

    def __init__(self, feature: NumberFeature, **kwargs: Any) -> None:
        super().__init__(required=True, **kwargs)
        self._feature = feature

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> float:
        expected = f"Must be {self._feature.expectation}."
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValidationError(Refusal(expected, "type"))
        # Compared before it is converted: JSON knows integers that no float can hold. NaN fails every comparison.
        if not self._feature.minimum <= value <= self._feature.maximum:
            raise ValidationError(Refusal(expected, "range"))
        if self._feature.whole and value != int(value):
            raise ValidationError(Refusal(expected, "type"))
        return float(value)


class CategoryField(_StrictField):
    """One of the feature's values, spelled as declared."""

    def __init__(self, feature: CategoryFeature, **kwargs: Any) -> None:
        super().__init__(required=True, **kwargs)
        self._feature = feature

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        expected = f"Must be {self._feature.expectation}."
        if not isinstance(value, str):
            raise ValidationError(Refusal(expected, "type"))
        if value not in self._feature.values:
            raise ValidationError(Refusal(expected, "not_allowed"))
        return value


def _field(feature: Feature) -> fields.Field[Any]:
    """The wire field of a feature, documented as OpenAPI wants it."""
    if isinstance(feature, CategoryFeature):
        allowed = {"type": "string", "enum": list(feature.values)}
        return CategoryField(feature, metadata=_documented(feature) | allowed)
    limits = {
        "type": "integer" if feature.whole else "number",
        "minimum": feature.minimum,
        "maximum": feature.maximum,
        "x-unit": feature.unit,
    }
    if feature.whole:
        limits["format"] = "int32"
    else:
        limits["format"] = "double"
    return NumberField(feature, metadata=_documented(feature) | limits)


def _documented(feature: Feature) -> dict[str, Any]:
    unit = f" Unit: {feature.unit}." if isinstance(feature, NumberFeature) else ""
    return {"description": feature.description + unit, "example": feature.example}


class _StrictSchema(Schema):
    error_messages = dict(_SCHEMA_MESSAGES)  # noqa: RUF012  # as marshmallow declares it


ApplicationSchema = _StrictSchema.from_dict(
    {feature.name: _field(feature) for feature in FEATURES}, name="LoanApplication"
)


def batch_schema(max_rows: int) -> Schema:
    """The schema of a batch of 1 to `max_rows` applications; more raise BatchTooLargeError."""

    class LoanApplicationBatch(_StrictSchema):
        """Applications to be decided by the same model version."""

        instances = fields.List(
            fields.Nested(ApplicationSchema),
            required=True,
            metadata={
                "description": f"1 to {max_rows} applications.",
                "minItems": 1,
                "maxItems": max_rows,
                "example": [example_application()],
            },
        )

        @pre_load
        def check_size(self, body: Any, **_: Any) -> Any:
            """Refuses a batch by its size before anything is spent on its rows."""
            instances = body.get("instances") if isinstance(body, dict) else None
            if isinstance(instances, list):
                if not instances:
                    raise ValidationError({"instances": [Refusal("Must hold at least one application.", "range")]})
                if len(instances) > max_rows:
                    raise BatchTooLargeError(f"The batch has {len(instances)} rows; at most {max_rows} are accepted.")
            return body

    return LoanApplicationBatch()


_PREDICTION = {"description": "1 approved, 0 rejected.", "enum": [0, 1], "example": 1}
_PROBABILITY = {"description": "P(approved).", "minimum": 0, "maximum": 1, "example": 0.85}
_MODEL_VERSION = {"description": "Semantic version of the model that decided.", "example": "1.0.0"}
_TIMESTAMP = {"description": "When it was decided, UTC.", "format": "date-time", "example": "2024-03-13T10:30:00Z"}
_IDENTIFIER = {"format": "uuid", "example": "018e3765-c1c0-7cc4-8f1a-0e6ba4d6b0a1"}


class PredictionSchema(Schema):
    """The decision on one application."""

    prediction = fields.Integer(required=True, metadata=_PREDICTION)
    probability = fields.Float(required=True, metadata=_PROBABILITY)
    model_version = fields.String(required=True, metadata=_MODEL_VERSION)
    timestamp = fields.String(required=True, metadata=_TIMESTAMP)
    decision_id = fields.String(required=True, metadata={"description": "Names this decision.", **_IDENTIFIER})


class BatchRowSchema(Schema):
    """The decision on one application of a batch."""

    prediction = fields.Integer(required=True, metadata=_PREDICTION)
    probability = fields.Float(required=True, metadata=_PROBABILITY)
    row_id = fields.Integer(
        required=True, metadata={"description": "Its position in `instances`, from 0.", "minimum": 0, "example": 0}
    )


class BatchPredictionSchema(Schema):
    """The decisions on a batch, in the order of its applications."""

    predictions = fields.List(fields.Nested(BatchRowSchema), required=True)
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
    timestamp = fields.String(required=True, metadata=_TIMESTAMP)
    database = fields.String(required=True, metadata={"description": "`ok`, or what is wrong.", "example": "ok"})
    registry = fields.String(required=True, metadata={"description": "`ok`, or what is wrong.", "example": "ok"})


class HealthSchema(Schema):
    """Whether the service can do its work."""

    status = fields.String(
        required=True,
        metadata={
            "description": "`degraded`: it decides, but something needs attention. `unhealthy`: it cannot decide.",
            "enum": ["healthy", "degraded", "unhealthy"],
            "example": "healthy",
        },
    )
    checks = fields.Nested(HealthChecksSchema, required=True)


class ProbeSchema(Schema):
    """The answer to a probe."""

    status = fields.String(required=True, metadata={"example": "ok"})


class FeatureSchema(Schema):
    """One feature of an application. Numbers have unit, minimum and maximum; categories have allowed values."""

    name = fields.String(required=True, metadata={"example": "cibil_score"})
    type = fields.String(required=True, metadata={"enum": ["integer", "number", "category"]})
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
    scorer = fields.String(required=True, metadata={"description": "What computes its probabilities."})
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
    loaded_at = fields.String(required=True, metadata=_TIMESTAMP)


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

    type = fields.String(required=True, metadata={"example": "about:blank"})
    title = fields.String(required=True, metadata={"example": "Not Found"})
    status = fields.Integer(required=True, metadata={"example": 404})
    detail = fields.String(required=True)
    request_id = fields.String(required=True, metadata={"description": "The X-Request-ID of the answer."})
    errors = fields.List(
        fields.Nested(FieldErrorSchema), metadata={"description": "Of a 422: the refused fields, 100 at most."}
    )
