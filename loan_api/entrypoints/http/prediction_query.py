"""The query of a single prediction."""

from marshmallow import Schema, fields
from werkzeug.datastructures import MultiDict

from loan_api.entrypoints.http.request_fields import REPEATED
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


def wants_reasons(query: MultiDict[str, str]) -> bool:
    """Return whether the query asks for reasons. Raises RequestRefusedError if it is not valid."""
    given = query.getlist("reasons")
    if len(given) > 1:
        raise RequestRefusedError(Refusals.of({"reasons": [REPEATED]}, ()))
    text = given[0] if given else "false"
    if text not in _CHOICES:
        raise RequestRefusedError(Refusals.of({"reasons": [Refusal("Must be true or false.", "not_allowed")]}, ()))
    return _CHOICES[text]
