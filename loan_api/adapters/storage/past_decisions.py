"""Past decisions for simulations: only the columns needed, so that a million take seconds."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Text, cast, select

from loan_api.adapters.storage.decision_reader import batch_columns, last_outcomes
from loan_api.adapters.storage.ids import in_span
from loan_api.adapters.storage.tables import batches, decisions, outcomes
from loan_api.credit.decision import DECISIONS, decisions_of
from loan_api.credit.features import CategoryFeature, Feature
from loan_api.credit.form import Form
from loan_api.errors import UnreadableRecordError
from loan_api.services.policy_simulation import PastDecisions

# Single decisions that are read at a time; each batch is read by itself.
_SINGLES = 20_000
_UNKNOWN = -1


def past_decisions(
    form: Form,
    features: Collection[str],
    connection: Connection,
    since: datetime | None,
    until: datetime | None,
    model_version: str | None,
    unreadable: Callable[[str], object],
    *,
    page: int = _SINGLES,
) -> Iterator[PastDecisions]:
    """Iterate over decisions in [`since`, `until`) with the given features, single ones first.

    Damaged records are skipped; `unreadable` is called with the id of each, a decision or a batch.
    """
    yield from _singles(form, features, connection, (since, until, model_version), unreadable, page)
    yield from _batches(form, features, connection, (since, until, model_version), unreadable)


_Span = tuple[datetime | None, datetime | None, str | None]


def _singles(
    form: Form,
    features: Collection[str],
    connection: Connection,
    span: _Span,
    unreadable: Callable[[str], object],
    page: int,
) -> Iterator[PastDecisions]:
    decoder = _Decoder([feature for feature in form.features if feature.name in features], form.codes)
    columns = (
        *(decisions.c.id, cast(decisions.c.features, Text), decisions.c.probability),
        *(decisions.c.prediction, decisions.c.decision),
    )
    after = ""
    while True:
        rows: Sequence[Sequence[Any]] = connection.execute(
            select(*columns)
            .where(decisions.c.id > after, *in_span(decisions, *span))
            .order_by(decisions.c.id)
            .limit(page)
        ).all()
        if not rows:
            return
        known = _single_outcomes(connection, rows[0][0], rows[-1][0])
        connection.rollback()
        after, is_last = rows[-1][0], len(rows) < page
        applications = decoder.columns([row[1] for row in rows])
        if applications is None:
            rows = [row for row in rows if _is_readable(decoder, row, unreadable)]
            applications = decoder.columns([row[1] for row in rows])
        if rows and applications is not None:
            yield _past(applications, rows, known)
        if is_last:
            return


def _past(
    applications: Mapping[str, NDArray[Any]], rows: Sequence[Sequence[Any]], known: Mapping[str, int]
) -> PastDecisions:
    ids, _, probabilities, predictions, recorded = zip(*rows, strict=True)
    decided = decisions_of(np.array(predictions))
    if any(recorded):
        codes = {decision: code for code, decision in enumerate(DECISIONS)}
        places = np.array([codes.get(decision, _UNKNOWN) for decision in recorded], np.int8)
        # Earlier versions recorded no decision: that of the threshold counts.
        decided = np.where(places == _UNKNOWN, decided, places)
    outcome = [known.get(each, _UNKNOWN) for each in ids] if known else [_UNKNOWN] * len(ids)
    return PastDecisions(applications, np.array(probabilities), decided, np.array(outcome, np.int8))


def _is_readable(decoder: "_Decoder", row: Sequence[Any], unreadable: Callable[[str], object]) -> bool:
    if decoder.columns([row[1]]) is not None:
        return True
    unreadable(row[0])
    return False


def _single_outcomes(connection: Connection, first: str, last: str) -> dict[str, int]:
    """Return the outcomes in force of single decisions between two ids; the last one of each wins."""
    columns = outcomes.c
    statement = (
        select(columns.decision_id, columns.outcome)
        .where(columns.decision_id.between(first, last), columns.row_id == 0)
        .order_by(columns.decision_id, columns.row_id, columns.id)
    )
    known: dict[str, int] = dict(connection.execute(statement).all())
    return known


def _batches(
    form: Form, features: Collection[str], connection: Connection, span: _Span, unreadable: Callable[[str], object]
) -> Iterator[PastDecisions]:
    after = ""
    while True:
        batch = connection.execute(
            select(batches.c.id, batches.c.rows, batches.c.content)
            .where(batches.c.id > after, *in_span(batches, *span))
            .order_by(batches.c.id)
            .limit(1)
        ).first()
        if batch is None:
            return
        last = last_outcomes(connection, batch.id)
        connection.rollback()
        after = batch.id
        try:
            content = batch_columns(form, batch.id, batch.rows, batch.content)
        except UnreadableRecordError:
            unreadable(batch.id)
            continue
        known = np.full(batch.rows, _UNKNOWN, np.int8)
        known[list(last)] = list(last.values())
        chosen = {name: column for name, column in content.applications.items() if name in features}
        yield PastDecisions(chosen, content.probabilities, content.decisions, known)


class _Decoder:
    """Decodes some features of many recorded applications at once."""

    def __init__(self, features: Sequence[Feature], codes: Mapping[str, Mapping[str | None, int]]) -> None:
        self._features = features
        self._codes = codes
        # Optional features may precede required ones, so the fields have no order.
        application: Any = msgspec.defstruct("PastApplication", list(map(_field, features)), gc=False, kw_only=True)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[application])

    def columns(self, texts: Sequence[str | None]) -> dict[str, NDArray[Any]] | None:
        """Return the columns of n applications, each as JSON, or None if one is damaged."""
        if None in texts:
            return None
        try:
            applications = self._decoder.decode(f"[{','.join(map(str, texts))}]")
            if len(applications) != len(texts):
                return None
            return {each.name: self._column(each, applications) for each in self._features}
        except (msgspec.DecodeError, UnicodeError, KeyError):
            return None

    def _column(self, feature: Feature, applications: Sequence[Any]) -> NDArray[Any]:
        values = map(attrgetter(feature.name), applications)
        if isinstance(feature, CategoryFeature):
            return np.array([self._codes[feature.name][value] for value in values], np.int8)
        # None becomes NaN.
        return np.array(list(values), np.float64)


def _field(feature: Feature) -> tuple[str, Any] | tuple[str, Any, None]:
    kind: Any = str if isinstance(feature, CategoryFeature) else float
    return (feature.name, kind | None, None) if feature.optional else (feature.name, kind)
