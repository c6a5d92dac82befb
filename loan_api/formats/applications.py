"""Applications from JSON: a fast path for valid bodies, and a slow one that explains errors.

`ApplicationCodec` derives a C decoder and a marshmallow schema from a form. Both accept the same bodies with equal
values. The decoder stops at the first error; the schema then finds all of them.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from marshmallow import Schema, ValidationError

from loan_api.credit.features import CategoryFeature, Feature
from loan_api.credit.form import Form
from loan_api.formats.refusals import MalformedBodyError, Refusals, RequestRefusedError
from loan_api.formats.schemas import application_schema, batch_schema
from loan_api.scoring.columns import Application

# Text that is not UTF-8 is only noticed while it is decoded.
FAST_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError)


class ApplicationCodec:
    """Decodes applications of a form, singly and in batches.

    `fast` decodes one valid application to a struct, whose fields have the order of the features, and `fast_batch` a
    batch of them. Both raise `FAST_REFUSALS`.
    """

    def __init__(self, form: Form) -> None:
        self.form = form
        # An instance holds no containers, so the garbage collector can ignore thousands of them.
        application: Any = msgspec.defstruct(
            "FastApplication",
            [_fast_field(feature) for feature in form.features],
            forbid_unknown_fields=True,
            frozen=True,
            gc=False,
            kw_only=True,
        )
        batch = msgspec.defstruct(
            "FastBatch",
            [("instances", Annotated[list[application], msgspec.Meta(min_length=1)])],
            forbid_unknown_fields=True,
            gc=False,
        )
        self.fast: msgspec.json.Decoder[Any] = msgspec.json.Decoder(application)
        self.fast_batch: msgspec.json.Decoder[Any] = msgspec.json.Decoder(batch)
        self.schema: type[Schema] = application_schema(form)

    def decode(self, body: bytes) -> Application:
        """Decode the application in a JSON body. Raises MalformedBodyError or RequestRefusedError."""
        try:
            return msgspec.structs.asdict(self.fast.decode(body))
        except FAST_REFUSALS:
            return self.explained(parse_json(body))

    def explained(self, given: Any) -> Application:
        """Return the application in a JSON value. Raises RequestRefusedError with every error in it."""
        try:
            application: Application = self.schema().load(given)
        except ValidationError as error:
            raise self.refused(error.messages) from None
        return application

    def explained_batch(self, given: Any, max_rows: int) -> Sequence[Application]:
        """Return the applications in `{"instances": […]}`.

        Raises RequestRefusedError with every error in them, or BatchTooLargeError for more than `max_rows`.
        """
        try:
            applications: Sequence[Application] = self.batch_schema(max_rows).load(given)["instances"]
        except ValidationError as error:
            raise self.refused(error.messages) from None
        return applications

    def batch_schema(self, max_rows: int) -> Schema:
        """Return the schema of a batch of 1 to `max_rows` applications; more raise BatchTooLargeError."""
        return batch_schema(self.form, self.schema, max_rows)

    def refused(self, messages: Any) -> RequestRefusedError:
        """Return the error for marshmallow's nested messages."""
        return RequestRefusedError(Refusals.of(messages, self.form.names))


def _fast_field(feature: Feature) -> tuple[str, Any] | tuple[str, Any, None]:
    if isinstance(feature, CategoryFeature):
        kind: Any = Literal[feature.values]
    else:
        multiple_of = 1 if feature.whole else None
        kind = Annotated[float, msgspec.Meta(ge=feature.minimum, le=feature.maximum, multiple_of=multiple_of)]
    return (feature.name, kind | None, None) if feature.optional else (feature.name, kind)


def parse_json(body: bytes) -> Any:
    """Parse a JSON body into plain values. Raises MalformedBodyError."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        # Not chained: the parser's message quotes the body.
        raise MalformedBodyError("The body is not valid JSON.") from None
