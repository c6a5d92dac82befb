"""Fields of request bodies and queries, whose errors carry reason codes."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import Schema, ValidationError, fields

from loan_api.formats.refusals import Refusal, Refusals, RequestRefusedError
from loan_api.services.audit import DecisionName

MOST_ON_A_PAGE = 500
USUAL_ON_A_PAGE = 100
LONGEST_TEXT = 128
REPEATED = Refusal("Must be given once.", "not_allowed")


class Field(fields.Field[Any]):
    """A field whose errors carry a reason code. `expected` completes the message 'Must be'."""

    expected: str

    def make_error(self, key: str, **_: Any) -> ValidationError:
        """Return the error for marshmallow's own checks."""
        texts = {"required": ("This field is missing.", "missing"), "null": ("Must not be null.", "null")}
        return ValidationError(Refusal(*texts[key]))

    def refuse(self, reason: str) -> ValidationError:
        """Return the error for an invalid value."""
        return ValidationError(Refusal(f"Must be {self.expected}.", reason))


class OneOf(Field):
    """A text from a closed set."""

    def __init__(self, *allowed: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.expected = f"one of {', '.join(allowed)}"
        self._allowed = allowed

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if value not in self._allowed:
            raise self.refuse("not_allowed")
        return str(value)


class Limit(Field):
    """The size of a page."""

    expected = f"a whole number from 1 to {MOST_ON_A_PAGE}"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if not (value.isascii() and value.isdigit() and 1 <= int(value) <= MOST_ON_A_PAGE):
            raise self.refuse("range")
        return int(value)


class Text(Field):
    """A short text."""

    expected = f"a text of 1 to {LONGEST_TEXT} characters without NUL"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not 1 <= len(value) <= LONGEST_TEXT or "\0" in value:
            raise self.refuse("range")
        return str(value)


class Cursor(Field):
    """The decision to start a page from, as `cursor_of` encodes it."""

    expected = "the next_cursor of a previous page"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> DecisionName:
        try:
            name = DecisionName.parse(base64.urlsafe_b64decode(value.encode()).decode())
        except (binascii.Error, UnicodeError):
            name = None
        if name is None:
            raise self.refuse("type")
        return name


class StrictSchema(Schema):
    """A schema that refuses unknown fields."""

    error_messages = {  # noqa: RUF012  # as marshmallow declares it
        "unknown": Refusal("This field is not known.", "unknown"),
        "type": Refusal("Must be a JSON object.", "type"),
    }


LIMIT = Limit(
    load_default=USUAL_ON_A_PAGE,
    metadata={
        "type": "integer",
        "minimum": 1,
        "maximum": MOST_ON_A_PAGE,
        "default": USUAL_ON_A_PAGE,
        "description": "Maximum number of decisions on the page.",
    },
)
CURSOR = Cursor(metadata={"type": "string", "minLength": 1, "description": "`next_cursor` of the previous page."})


def cursor_of(following: DecisionName | None) -> str | None:
    """Encode the decision to start the next page from, as `Cursor` accepts it."""
    return None if following is None else base64.urlsafe_b64encode(str(following).encode()).decode()


def load_query(schema: Schema, query: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Validate query parameters, each given at most once. Raises RequestRefusedError."""
    repeated = {name: [REPEATED] for name, values in query.items() if len(values) > 1}
    if repeated:
        raise RequestRefusedError(Refusals.of(repeated, ()))
    return dict(load(schema, {name: value for name, (value,) in query.items()}))


def load(schema: Schema, given: Any) -> Mapping[str, Any]:
    """Validate a body or query. Raises RequestRefusedError with every error."""
    try:
        loaded: Mapping[str, Any] = schema.load(given)
    except ValidationError as error:
        raise RequestRefusedError(Refusals.of(error.messages, ())) from None
    return loaded
