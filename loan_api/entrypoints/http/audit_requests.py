"""Requests of the audit endpoints: outcome reports and searches. Validation reports all errors at once.

A fast decoder accepts bulk reports. Only what it rejects is validated by the marshmallow schema, which takes a second
for ten thousand reports but finds every error.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from marshmallow import ValidationError, fields, pre_load, validates_schema

from loan_api.credit.decision import DECISIONS
from loan_api.entrypoints.http.enumerations import DECISION, ENDPOINT, OUTCOME, OUTCOME_FILTER, POLICY_DECISION
from loan_api.entrypoints.http.request_fields import (
    CURSOR,
    LIMIT,
    LONGEST_TEXT,
    Field,
    OneOf,
    StrictSchema,
    Text,
    load,
    load_query,
)
from loan_api.entrypoints.http.schemas import EXAMPLE_ID
from loan_api.errors import BatchTooLargeError
from loan_api.formats.applications import FAST_REFUSALS, parse_json
from loan_api.formats.refusals import Refusal, Refusals, RequestRefusedError
from loan_api.formats.timestamps import TIME_EXAMPLES, parse_time
from loan_api.services.audit import NAME_PATTERN, DecisionName, OutcomeReport, Search

MOST_OUTCOMES = 10_000


class _Outcome(Field):
    expected = "0 or 1"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse("type")
        if value not in (0, 1):
            raise self.refuse("range")
        return int(value)


class _DecisionId(Field):
    expected = "a decision_id or BATCH_ID:ROW"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> DecisionName:
        name = DecisionName.parse(value) if isinstance(value, str) else None
        if name is None:
            raise self.refuse("type")
        return name


class _Time(Field):
    expected = TIME_EXAMPLES

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime:
        moment = parse_time(value)
        if moment is None:
            raise self.refuse("type")
        return moment


_TIME = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}
# PostgreSQL cannot store NUL in a text.
_TEXT = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT, "pattern": r"^[^\u0000]*$"}
_OUTCOME = OUTCOME.documented(example=1)
_ID = {
    "type": "string",
    "pattern": f"^{NAME_PATTERN}$",
    "description": "Id of the decision. For a row of a batch, `BATCH_ID:ROW`.",
    "example": EXAMPLE_ID,
}


class OutcomeReportSchema(StrictSchema):
    """The outcome of the decision in the path."""

    outcome = _Outcome(required=True, metadata=_OUTCOME)


class DecisionOutcomeSchema(StrictSchema):
    """The outcome of a decision."""

    decision_id = _DecisionId(required=True, metadata=_ID)
    outcome = _Outcome(required=True, metadata=_OUTCOME)


class OutcomeReportsSchema(StrictSchema):
    """Outcomes in bulk."""

    outcomes = fields.List(
        fields.Nested(DecisionOutcomeSchema),
        required=True,
        metadata={"minItems": 1, "maxItems": MOST_OUTCOMES, "description": f"1 to {MOST_OUTCOMES} outcomes."},
    )

    @pre_load
    def check_size(self, body: Any, **_: Any) -> Any:
        """Reject a list that is empty or too long before validating its items."""
        outcomes = body.get("outcomes") if isinstance(body, dict) else None
        if isinstance(outcomes, list):
            if not outcomes:
                raise ValidationError({"outcomes": [Refusal("Must hold at least one outcome.", "range")]})
            if len(outcomes) > MOST_OUTCOMES:
                raise BatchTooLargeError(f"There are {len(outcomes)} outcomes; at most {MOST_OUTCOMES} are accepted.")
        return body


class SearchSchema(StrictSchema):
    """Filters for decisions, combined with AND."""

    since = _Time(
        data_key="from",
        metadata={**_TIME, "description": "Earliest time of decision (inclusive). A plain date means midnight UTC."},
    )
    until = _Time(
        data_key="to",
        metadata={**_TIME, "description": "Latest time of decision (exclusive). A plain date means midnight UTC."},
    )
    model_version = Text(metadata={**_TEXT, "description": "Semantic version of the model."})
    prediction = OneOf("0", "1", metadata=DECISION.documented(description="1 approved, 0 rejected."))
    decision = OneOf(*DECISIONS, metadata=POLICY_DECISION.documented(description="The decision of the policy."))
    endpoint = OneOf(
        "single",
        "batch",
        metadata=ENDPOINT.documented(description="`single` for `/predict`, `batch` for `/predict/batch`."),
    )
    outcome = OneOf(
        "0",
        "1",
        "none",
        metadata=OUTCOME_FILTER.documented(description="Latest reported outcome, or `none` if there is no report."),
    )
    request_id = Text(metadata={**_TEXT, "description": "`X-Request-ID` of the request."})
    limit = LIMIT
    cursor = CURSOR

    @validates_schema
    def check_span(self, filters: Mapping[str, Any], **_: Any) -> None:
        """Reject a span that contains no time at all, which would find nothing without saying why."""
        if "since" in filters and "until" in filters and filters["until"] <= filters["since"]:
            raise ValidationError({"to": [Refusal("Must be later than from.", "range")]})


class _FastOutcome(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    decision_id: str
    outcome: Literal[0, 1]


class _FastOutcomes(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    outcomes: Annotated[list[_FastOutcome], msgspec.Meta(min_length=1, max_length=MOST_OUTCOMES)]


_fast_outcomes = msgspec.json.Decoder(_FastOutcomes)
_outcome, _outcomes, _search = OutcomeReportSchema(), OutcomeReportsSchema(), SearchSchema()


def decode_outcome(body: bytes) -> int:
    """Decode the report of one outcome. Raises MalformedBodyError or RequestRefusedError."""
    outcome: int = load(_outcome, parse_json(body))["outcome"]
    return outcome


def decode_outcomes(body: bytes) -> list[OutcomeReport]:
    """Decode a bulk report. Raises MalformedBodyError, RequestRefusedError or BatchTooLargeError."""
    accepted = _accepted_outcomes(body)
    if accepted is not None:
        return accepted
    return [
        OutcomeReport(report["decision_id"], report["outcome"])
        for report in load(_outcomes, parse_json(body))["outcomes"]
    ]


def _accepted_outcomes(body: bytes) -> list[OutcomeReport] | None:
    """Return the reports, or None if the schema must explain what is wrong."""
    try:
        decoded = _fast_outcomes.decode(body).outcomes
    except FAST_REFUSALS:
        return None
    reports = []
    for each in decoded:
        name = DecisionName.parse(each.decision_id)
        if name is None:
            return None
        reports.append(OutcomeReport(name, each.outcome))
    return reports


def decode_search(query: Mapping[str, Sequence[str]]) -> tuple[Search, DecisionName | None, int]:
    """Decode the filters, the decision to start from, and the page size. Raises RequestRefusedError."""
    filters = load_query(_search, query)
    limit, start = filters.pop("limit"), filters.pop("cursor", None)
    if "prediction" in filters:
        filters["prediction"] = int(filters["prediction"])
    return Search(**filters), start, limit


def refusals_of_unknown(positions: list[int]) -> RequestRefusedError:
    """Return the error for outcomes, given by their positions, of unknown decisions."""
    unknown = Refusal("No decision with this id is recorded.", "not_allowed")
    messages = {"outcomes": {place: {"decision_id": [unknown]} for place in positions}}
    return RequestRefusedError(Refusals.of(messages, ()))
