"""What the audit endpoints take: outcomes, and what decisions are searched by. Every error is found at once.

Many outcomes are accepted by a C decoder; what it refuses is looked at again by the schema, which takes a second for
ten thousand and finds everything that is wrong.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from marshmallow import Schema, ValidationError, fields, pre_load

from loan_api.entrypoints.http.enumerations import DECISION, ENDPOINT, OUTCOME, OUTCOME_FILTER
from loan_api.errors import BatchTooLargeError
from loan_api.formats.applications import FAST_REFUSALS, parse_json
from loan_api.formats.refusals import Refusal, Refusals, RequestRefusedError
from loan_api.formats.timestamps import parse_time
from loan_api.services.audit import NAME_PATTERN, DecisionName, Search, Telling

MOST_OUTCOMES = 10_000
MOST_ON_A_PAGE = 500
_USUAL_ON_A_PAGE = 100
_LONGEST_TEXT = 128
_REPEATED = Refusal("Must be given once.", "not_allowed")
_EXAMPLE_ID = "018e3765-c1c0-7cc4-8f1a-0e6ba4d6b0a1"


class _Field(fields.Field[Any]):
    """A field whose refusals carry their reason; `expected` completes 'Must be'."""

    expected: str

    def make_error(self, key: str, **_: Any) -> ValidationError:
        """The refusal for marshmallow's own checks."""
        texts = {"required": ("This field is missing.", "missing"), "null": ("Must not be null.", "null")}
        return ValidationError(Refusal(*texts[key]))

    def refuse(self, reason: str) -> ValidationError:
        """The refusal of a value."""
        return ValidationError(Refusal(f"Must be {self.expected}.", reason))


class _Outcome(_Field):
    expected = "0 or 1"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse("type")
        if value not in (0, 1):
            raise self.refuse("range")
        return int(value)


class _DecisionId(_Field):
    expected = "the id of a decision, or BATCH_ID:ROW"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> DecisionName:
        name = DecisionName.parse(value) if isinstance(value, str) else None
        if name is None:
            raise self.refuse("type")
        return name


class _Time(_Field):
    expected = "a time such as 2024-03-13T10:30:00Z"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime:
        moment = parse_time(value)
        if moment is None:
            raise self.refuse("type")
        return moment


class _OneOf(_Field):
    def __init__(self, *allowed: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.expected = f"one of {', '.join(allowed)}"
        self._allowed = allowed

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if value not in self._allowed:
            raise self.refuse("not_allowed")
        return str(value)


class _Limit(_Field):
    expected = f"a whole number from 1 to {MOST_ON_A_PAGE}"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if not (value.isascii() and value.isdigit() and 1 <= int(value) <= MOST_ON_A_PAGE):
            raise self.refuse("range")
        return int(value)


class _Text(_Field):
    expected = f"a text of 1 to {_LONGEST_TEXT} characters"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not 1 <= len(value) <= _LONGEST_TEXT or "\0" in value:
            raise self.refuse("range")
        return str(value)


class _Cursor(_Field):
    expected = "the next_cursor of another page"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> DecisionName:
        try:
            name = DecisionName.parse(base64.urlsafe_b64decode(value.encode()).decode())
        except (binascii.Error, UnicodeError):
            name = None
        if name is None:
            raise self.refuse("type")
        return name


class _StrictSchema(Schema):
    error_messages = {  # noqa: RUF012  # as marshmallow declares it
        "unknown": Refusal("This field is not known.", "unknown"),
        "type": Refusal("Must be a JSON object.", "type"),
    }


_TIME = {"type": "string", "format": "date-time"}
# PostgreSQL keeps no NUL in a text.
_TEXT = {"type": "string", "minLength": 1, "maxLength": _LONGEST_TEXT, "pattern": r"^[^\u0000]*$"}
_OUTCOME = OUTCOME.documented(example=1)
_ID = {
    "type": "string",
    "pattern": f"^{NAME_PATTERN}$",
    "description": "The id of a decision, or BATCH_ID:ROW.",
    "example": _EXAMPLE_ID,
}


class OutcomeReportSchema(_StrictSchema):
    """What became of one decision."""

    outcome = _Outcome(required=True, metadata=_OUTCOME)


class DecisionOutcomeSchema(_StrictSchema):
    """What became of which decision."""

    decision_id = _DecisionId(required=True, metadata=_ID)
    outcome = _Outcome(required=True, metadata=_OUTCOME)


class OutcomeReportsSchema(_StrictSchema):
    """What became of many decisions."""

    outcomes = fields.List(
        fields.Nested(DecisionOutcomeSchema),
        required=True,
        metadata={"minItems": 1, "maxItems": MOST_OUTCOMES, "description": f"1 to {MOST_OUTCOMES} outcomes."},
    )

    @pre_load
    def check_size(self, body: Any, **_: Any) -> Any:
        """Refuses them by their number before anything is spent on each."""
        told = body.get("outcomes") if isinstance(body, dict) else None
        if isinstance(told, list):
            if not told:
                raise ValidationError({"outcomes": [Refusal("Must hold at least one outcome.", "range")]})
            if len(told) > MOST_OUTCOMES:
                raise BatchTooLargeError(f"There are {len(told)} outcomes; at most {MOST_OUTCOMES} are accepted.")
        return body


class SearchSchema(_StrictSchema):
    """Which decisions are asked for; all that is given must hold."""

    since = _Time(data_key="from", metadata={**_TIME, "description": "Decided then or later."})
    until = _Time(data_key="to", metadata={**_TIME, "description": "Decided before."})
    model_version = _Text(metadata={**_TEXT, "description": "Semantic version of the model that decided."})
    prediction = _OneOf("0", "1", metadata=DECISION.documented(description="What was decided: 1 approved, 0 rejected."))
    endpoint = _OneOf("single", "batch", metadata=ENDPOINT.documented(description="Asked for alone or in a batch."))
    outcome = _OneOf(
        "0", "1", "none", metadata=OUTCOME_FILTER.documented(description="The last one told, or that none was.")
    )
    request_id = _Text(metadata={**_TEXT, "description": "The X-Request-ID."})
    limit = _Limit(
        load_default=_USUAL_ON_A_PAGE,
        metadata={
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_ON_A_PAGE,
            "default": _USUAL_ON_A_PAGE,
            "description": "How many at most.",
        },
    )
    cursor = _Cursor(metadata={"type": "string", "minLength": 1, "description": "next_cursor of the page before."})


class _FastOutcome(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    decision_id: str
    outcome: Literal[0, 1]


class _FastOutcomes(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    outcomes: Annotated[list[_FastOutcome], msgspec.Meta(min_length=1, max_length=MOST_OUTCOMES)]


_fast_outcomes = msgspec.json.Decoder(_FastOutcomes)
_outcome, _outcomes, _search = OutcomeReportSchema(), OutcomeReportsSchema(), SearchSchema()


def decode_outcome(body: bytes) -> int:
    """The outcome in a JSON body. Raises MalformedBodyError or RequestRefusedError."""
    outcome: int = _loaded(_outcome, parse_json(body))["outcome"]
    return outcome


def decode_outcomes(body: bytes) -> list[Telling]:
    """Those in a JSON body. Raises MalformedBodyError, RequestRefusedError or BatchTooLargeError."""
    accepted = _accepted_outcomes(body)
    if accepted is not None:
        return accepted
    return [Telling(told["decision_id"], told["outcome"]) for told in _loaded(_outcomes, parse_json(body))["outcomes"]]


def _accepted_outcomes(body: bytes) -> list[Telling] | None:
    """None where the schema is to look at them."""
    try:
        told = _fast_outcomes.decode(body).outcomes
    except FAST_REFUSALS:
        return None
    tellings = []
    for each in told:
        name = DecisionName.parse(each.decision_id)
        if name is None:
            return None
        tellings.append(Telling(name, each.outcome))
    return tellings


def decode_search(query: Mapping[str, Sequence[str]]) -> tuple[Search, DecisionName | None, int]:
    """What is searched for, from where on, and how many at most. Raises RequestRefusedError naming the parameters."""
    repeated = {name: [_REPEATED] for name, values in query.items() if len(values) > 1}
    if repeated:
        raise RequestRefusedError(Refusals.of(repeated))
    asked = dict(_loaded(_search, {name: value for name, (value,) in query.items()}))
    limit, start = asked.pop("limit"), asked.pop("cursor", None)
    if "prediction" in asked:
        asked["prediction"] = int(asked["prediction"])
    return Search(**asked), start, limit


def cursor_of(following: DecisionName | None) -> str | None:
    """The text that `decode_search` takes to go on there."""
    return None if following is None else base64.urlsafe_b64encode(str(following).encode()).decode()


def refusals_of_unknown(positions: list[int]) -> RequestRefusedError:
    """For outcomes (positions in the request) whose decisions are not recorded."""
    unknown = Refusal("No decision with this id is recorded.", "not_allowed")
    return RequestRefusedError(Refusals.of({"outcomes": {place: {"decision_id": [unknown]} for place in positions}}))


def _loaded(schema: Schema, given: Any) -> Mapping[str, Any]:
    try:
        loaded: Mapping[str, Any] = schema.load(given)
    except ValidationError as error:
        raise RequestRefusedError(Refusals.of(error.messages)) from None
    return loaded
