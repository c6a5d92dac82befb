"""The query of a single prediction."""

from collections.abc import Mapping

from marshmallow import Schema, fields

from loan_api.formats.refusals import Refusal, Refusals, RequestRefusedError

_CHOICES = {"true": True, "false": False}


class PredictionQuerySchema(Schema):
    """The query parameters, for documentation only."""

    reasons = fields.Boolean(
        metadata={
            "type": "boolean",
            "default": False,
            "description": "Whether to return the principal reasons if the application is not approved.",
        }
    )


def wants_reasons(query: Mapping[str, str]) -> bool:
    """Return whether the query asks for reasons. Raises RequestRefusedError if it is not valid."""
    text = query.get("reasons", "false")
    if text not in _CHOICES:
        raise RequestRefusedError(Refusals.of({"reasons": [Refusal("Must be true or false.", "not_allowed")]}, ()))
    return _CHOICES[text]
