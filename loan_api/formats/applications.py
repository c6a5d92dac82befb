"""Applications from JSON: a fast path for valid bodies, and a slow one that explains errors.

The C decoder and the marshmallow schema derive from the same declarations and accept the same bodies with equal values.
The decoder stops at the first error; the schema then finds all of them.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from marshmallow import ValidationError

from loan_api.credit.features import FEATURES, CategoryFeature, Feature
from loan_api.formats.refusals import MalformedBodyError, Refusals, RequestRefusedError
from loan_api.formats.schemas import ApplicationSchema, batch_schema
from loan_api.scoring.columns import Application


def _fast_type(feature: Feature) -> Any:
    if isinstance(feature, CategoryFeature):
        return Literal[feature.values]
    multiple_of = 1 if feature.whole else None
    return Annotated[float, msgspec.Meta(ge=feature.minimum, le=feature.maximum, multiple_of=multiple_of)]


# An instance holds no containers, so the garbage collector can ignore thousands of them.
FastApplication = msgspec.defstruct(
    "FastApplication",
    [(feature.name, _fast_type(feature)) for feature in FEATURES],
    forbid_unknown_fields=True,
    frozen=True,
    gc=False,
)
# Text that is not UTF-8 is only noticed while it is decoded.
FAST_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError)
_decoder = msgspec.json.Decoder(FastApplication)
_schema = ApplicationSchema()


def decode_application(body: bytes) -> Application:
    """Decode the application in a JSON body. Raises MalformedBodyError or RequestRefusedError."""
    try:
        return msgspec.structs.asdict(_decoder.decode(body))
    except FAST_REFUSALS:
        return explained_application(parse_json(body))


def explained_application(given: Any) -> Application:
    """Return the application in a JSON value. Raises RequestRefusedError with every error in it."""
    try:
        application: Application = _schema.load(given)
    except ValidationError as error:
        raise RequestRefusedError(Refusals.of(error.messages)) from None
    return application


def explained_batch(given: Any, max_rows: int) -> Sequence[Application]:
    """Return the applications in `{"instances": […]}`.

    Raises RequestRefusedError with every error in them, or BatchTooLargeError for more than `max_rows`.
    """
    try:
        applications: Sequence[Application] = batch_schema(max_rows).load(given)["instances"]
    except ValidationError as error:
        raise RequestRefusedError(Refusals.of(error.messages)) from None
    return applications


def parse_json(body: bytes) -> Any:
    """Parse a JSON body into plain values. Raises MalformedBodyError."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        # Not chained: the parser's message quotes the body.
        raise MalformedBodyError("The body is not valid JSON.") from None
