"""Schemas of applications and batches, derived from a form; they find every error at once."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, pre_load

from loan_api.credit.features import CategoryFeature, Feature, NumberFeature
from loan_api.credit.form import Form
from loan_api.errors import BatchTooLargeError
from loan_api.formats.enumerations import Enumeration, category_enumerations
from loan_api.formats.refusals import Refusal

_SCHEMA_MESSAGES = {
    "unknown": Refusal("This field is not known.", "unknown"),
    "type": Refusal("Must be a JSON object.", "type"),
}


class _StrictField(fields.Field[Any]):
    """Field whose refusals carry their reason. An optional feature may be null or absent, which means null."""

    def __init__(self, feature: Feature, **kwargs: Any) -> None:
        missing: Any = {"allow_none": True, "load_default": None} if feature.optional else {"required": True}
        super().__init__(**missing, **kwargs)

    def make_error(self, key: str, **_: Any) -> ValidationError:
        """Return the refusal for marshmallow's own checks."""
        texts = {"required": ("This field is missing.", "missing"), "null": ("Must not be null.", "null")}
        return ValidationError(Refusal(*texts[key]))


class NumberField(_StrictField):
    """A JSON number of the feature's kind and range. 5.0 is a whole number; "5" and true are not numbers."""

    def __init__(self, feature: NumberFeature, **kwargs: Any) -> None:
        super().__init__(feature, **kwargs)
        self._feature = feature

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> float:
        expected = f"Must be {self._feature.expectation}."
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValidationError(Refusal(expected, "type"))
        # Compared before it is converted, because JSON has integers that no float can hold. NaN fails every comparison.
        if not self._feature.minimum <= value <= self._feature.maximum:
            raise ValidationError(Refusal(expected, "range"))
        if self._feature.whole and value != int(value):
            raise ValidationError(Refusal(expected, "type"))
        return float(value)


class CategoryField(_StrictField):
    """One of the feature's values, spelled as declared."""

    def __init__(self, feature: CategoryFeature, **kwargs: Any) -> None:
        super().__init__(feature, **kwargs)
        self._feature = feature

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        expected = f"Must be {self._feature.expectation}."
        if not isinstance(value, str):
            raise ValidationError(Refusal(expected, "type"))
        if value not in self._feature.values:
            raise ValidationError(Refusal(expected, "not_allowed"))
        return value


def _field(feature: Feature, enumerations: Mapping[str, Enumeration]) -> fields.Field[Any]:
    """Return the field of a feature, with its OpenAPI documentation."""
    if isinstance(feature, CategoryFeature):
        enumeration = enumerations[feature.name]
        documented = enumeration.or_null if feature.optional else enumeration.documented
        return CategoryField(feature, metadata=documented(**_documented(feature)))
    limits = {
        "type": "integer" if feature.whole else "number",
        "minimum": feature.minimum,
        "maximum": feature.maximum,
        "x-unit": feature.unit,
    }
    limits["format"] = "double"
    if feature.whole:
        limits["format"] = "int32" if feature.minimum >= -(2**31) and feature.maximum < 2**31 else "int64"
    return NumberField(feature, metadata=_documented(feature) | limits)


def _documented(feature: Feature) -> dict[str, Any]:
    unit = f" Unit: {feature.unit}." if isinstance(feature, NumberFeature) and feature.unit else ""
    return {"description": feature.description + unit, "example": feature.example}


class _StrictSchema(Schema):
    error_messages = dict(_SCHEMA_MESSAGES)  # noqa: RUF012  # as marshmallow declares it


class _Application(_StrictSchema):
    """An application for a loan."""


def application_schema(form: Form) -> type[Schema]:
    """Return the schema of an application."""
    enumerations = category_enumerations(form)
    return _Application.from_dict(
        {feature.name: _field(feature, enumerations) for feature in form.features}, name="LoanApplication"
    )


def batch_schema(form: Form, application: type[Schema], max_rows: int) -> Schema:
    """Return the schema of a batch of 1 to `max_rows` applications; more raise BatchTooLargeError."""

    class LoanApplicationBatch(_StrictSchema):
        """Applications to be decided by the same model version."""

        instances = fields.List(
            fields.Nested(application),
            required=True,
            metadata={
                "description": f"1 to {max_rows} applications.",
                "minItems": 1,
                "maxItems": max_rows,
                "example": [form.example()],
            },
        )

        @pre_load
        def check_size(self, body: Any, **_: Any) -> Any:
            """Refuse a batch by its size before checking its rows."""
            instances = body.get("instances") if isinstance(body, dict) else None
            if isinstance(instances, list):
                if not instances:
                    raise ValidationError({"instances": [Refusal("Must hold at least one application.", "range")]})
                if len(instances) > max_rows:
                    raise BatchTooLargeError(f"The batch has {len(instances)} rows; at most {max_rows} are accepted.")
            return body

    return LoanApplicationBatch()
