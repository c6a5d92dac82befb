"""Writes what really came of decisions: the last word stands, what was told before is kept, nothing is told twice."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, insert, select

from loan_api.adapters.storage.alone import write_alone
from loan_api.adapters.storage.tables import batches, decisions, outcomes
from loan_api.formats.batch_content import unpack
from loan_api.services.audit import DecisionName, NewOutcome, Telling, TellingResult

_IDS = 1000
# Length of its column.
_NAME_LENGTH = 64


class _Decided(NamedTuple):
    """What is to be known of a decision once its outcome is."""

    prediction: int
    model_version: str
    probability: float
    decided_at: datetime

    def turned_out(self, outcome: int, told_at: datetime) -> NewOutcome:
        waited = (told_at - self.decided_at).total_seconds()
        # Clocks differ.
        return NewOutcome(self.prediction, outcome, self.model_version, self.probability, max(waited, 0.0))


def tell(connection: Connection, tellings: Sequence[Telling], told_at: datetime, told_by: str | None) -> TellingResult:
    """Writes the new ones among them, or none where a decision is unknown.

    Of several about one decision, the last stands. What takes long is done before the database is kept from others.
    Raises UnreadableRecordError.
    """
    wanted = {telling.name: telling.outcome for telling in tellings}
    unknown = _unknown(connection, wanted)
    news = {} if unknown else _news(connection, wanted)
    if news:
        decided = _decided(connection, news)
        write_alone(connection)
        # In the meantime another one may have told the same, or decisions may have been purged.
        unknown = _unknown(connection, news)
        news = {} if unknown else _news(connection, news)
        if news:
            connection.execute(insert(outcomes), [_row(name, news[name], told_at, told_by) for name in news])
        connection.commit()
    if unknown:
        return TellingResult(unknown=[place for place, telling in enumerate(tellings) if telling.name in unknown])
    return TellingResult(new=[decided[name].turned_out(news[name], told_at) for name in news])


def unknown_positions(connection: Connection, names: Sequence[DecisionName]) -> list[int]:
    """Which of them (positions) name no decision in the database."""
    unknown = _unknown(connection, names)
    return [position for position, name in enumerate(names) if name in unknown]


def _unknown(connection: Connection, names: Iterable[DecisionName]) -> set[DecisionName]:
    singles = {name.recorded_id for name in names if name.row is None}
    whole = {name.recorded_id for name in names if name.row is not None}
    known = {row.id for row in _rows(connection, [decisions.c.id], decisions.c.id, singles)}
    lengths = {row.id: row.rows for row in _rows(connection, [batches.c.id, batches.c.rows], batches.c.id, whole)}
    return {
        name
        for name in names
        if not (name.recorded_id in known if name.row is None else name.row < lengths.get(name.recorded_id, 0))
    }


def _news(connection: Connection, wanted: Mapping[DecisionName, int]) -> dict[DecisionName, int]:
    """Those that say something else than the last word."""
    last: dict[tuple[str, int], int] = {}
    columns = [outcomes.c.id, outcomes.c.decision_id, outcomes.c.row_id, outcomes.c.outcome]
    rows = _rows(connection, columns, outcomes.c.decision_id, {name.recorded_id for name in wanted})
    for row in sorted(rows, key=lambda row: row.id):
        last[row.decision_id, row.row_id] = row.outcome
    return {name: outcome for name, outcome in wanted.items() if last.get((name.recorded_id, name.row or 0)) != outcome}


def _decided(connection: Connection, names: Iterable[DecisionName]) -> Mapping[DecisionName, _Decided]:
    singles = {name.recorded_id for name in names if name.row is None}
    single = decisions.c
    columns = [single.id, single.prediction, single.semantic_version, single.probability, single.decided_at]
    decided = {
        DecisionName(row.id): _Decided(row.prediction, row.semantic_version, row.probability, row.decided_at)
        for row in _rows(connection, columns, decisions.c.id, singles)
    }
    rows_of_batches = sorted(
        ((name.recorded_id, name.row) for name in names if name.row is not None), key=lambda each: each[0]
    )
    for batch_id, rows in groupby(rows_of_batches, key=lambda each: each[0]):
        # One at a time: a batch may take megabytes.
        batch = connection.execute(
            select(batches.c.content, batches.c.semantic_version, batches.c.decided_at).where(batches.c.id == batch_id)
        ).one()
        _, probabilities, predictions = unpack(batch.content)
        for _, row in rows:
            prediction, probability = int(predictions[row]), float(probabilities[row])
            decided[DecisionName(batch_id, row)] = _Decided(
                prediction, batch.semantic_version, probability, batch.decided_at
            )
    return decided


def _rows(
    connection: Connection, columns: Sequence[ColumnElement[Any]], key: ColumnElement[Any], values: Iterable[str]
) -> Iterator[Row[Any]]:
    """The rows in which `key` has one of the values."""
    values = list(values)
    for start in range(0, len(values), _IDS):
        yield from connection.execute(select(*columns).where(key.in_(values[start : start + _IDS])))


def _row(name: DecisionName, outcome: int, told_at: datetime, told_by: str | None) -> Mapping[str, Any]:
    return {
        "decision_id": name.recorded_id,
        "row_id": name.row or 0,
        "outcome": outcome,
        "told_at": told_at,
        "told_by": None if told_by is None else told_by[:_NAME_LENGTH],
    }
