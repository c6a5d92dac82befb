"""Writer of outcomes. The latest report wins; history is kept; duplicates are ignored."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, insert, select

from loan_api.adapters.storage.database import begin_exclusive
from loan_api.adapters.storage.tables import batches, decisions, outcomes
from loan_api.formats.batch_content import unpack_answers
from loan_api.services.audit import DecisionName, NewOutcome, OutcomeReport, ReportResult

_IDS = 1000
# Length of the column.
_NAME_LENGTH = 64


class _Decided(NamedTuple):
    """The parts of a decision that are compared with its outcome."""

    prediction: int
    model_version: str
    probability: float
    decided_at: datetime

    def with_outcome(self, outcome: int, reported_at: datetime) -> NewOutcome:
        waited = (reported_at - self.decided_at).total_seconds()
        # Clocks of different hosts differ.
        return NewOutcome(self.prediction, outcome, self.model_version, self.probability, max(waited, 0.0))


class _Latest(NamedTuple):
    """The outcome in force."""

    outcome: int
    reported_at: datetime


def write_outcomes(
    connection: Connection, reports: Sequence[OutcomeReport], now: Callable[[], datetime], reported_by: str | None
) -> ReportResult:
    """Write the new outcomes among the reports, or nothing if a decision is unknown.

    The last report about a decision counts. Slow work is done before others are excluded; `now` is called later, so
    that no outcome is dated before the one that it replaces. Raises UnreadableRecordError.
    """
    wanted = {report.name: report.outcome for report in reports}
    unknown = _unknown(connection, wanted)
    news = {} if unknown else _changed(wanted, _latest(connection, wanted))
    new: list[NewOutcome] = []
    if news:
        decided = _decided(connection, news)
        begin_exclusive(connection)
        # Another process may have reported the same in the meantime, or purged decisions.
        unknown = _unknown(connection, news)
        latest = _latest(connection, news)
        news = {} if unknown else _changed(news, latest)
        if news:
            moment = now()
            # Another host's clock may be ahead.
            reported_at = {name: max(moment, latest[name].reported_at) if name in latest else moment for name in news}
            connection.execute(
                insert(outcomes), [_row(name, news[name], reported_at[name], reported_by) for name in news]
            )
            new = [decided[name].with_outcome(news[name], reported_at[name]) for name in news]
        connection.commit()
    if unknown:
        return ReportResult(unknown=[place for place, report in enumerate(reports) if report.name in unknown])
    return ReportResult(new=new)


def unknown_positions(connection: Connection, names: Sequence[DecisionName]) -> list[int]:
    """Return the positions of the names without a decision in the database."""
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


def _changed(wanted: Mapping[DecisionName, int], latest: Mapping[DecisionName, _Latest]) -> dict[DecisionName, int]:
    """Return the outcomes that differ from those in force."""
    return {name: outcome for name, outcome in wanted.items() if name not in latest or latest[name].outcome != outcome}


def _latest(connection: Connection, names: Iterable[DecisionName]) -> dict[DecisionName, _Latest]:
    last: dict[tuple[str, int], _Latest] = {}
    of = outcomes.c
    columns = [of.id, of.decision_id, of.row_id, of.outcome, of.told_at]
    rows = _rows(connection, columns, of.decision_id, {name.recorded_id for name in names})
    for row in sorted(rows, key=lambda row: row.id):
        last[row.decision_id, row.row_id] = _Latest(row.outcome, row.told_at)
    keys = {name: (name.recorded_id, name.row or 0) for name in names}
    return {name: last[key] for name, key in keys.items() if key in last}


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
        probabilities, predictions = unpack_answers(batch.content)
        for _, row in rows:
            prediction, probability = int(predictions[row]), float(probabilities[row])
            decided[DecisionName(batch_id, row)] = _Decided(
                prediction, batch.semantic_version, probability, batch.decided_at
            )
    return decided


def _rows(
    connection: Connection, columns: Sequence[ColumnElement[Any]], key: ColumnElement[Any], values: Iterable[str]
) -> Iterator[Row[Any]]:
    """Select the rows in which `key` has one of the values."""
    values = list(values)
    for start in range(0, len(values), _IDS):
        yield from connection.execute(select(*columns).where(key.in_(values[start : start + _IDS])))


def _row(name: DecisionName, outcome: int, reported_at: datetime, reported_by: str | None) -> Mapping[str, Any]:
    return {
        "decision_id": name.recorded_id,
        "row_id": name.row or 0,
        "outcome": outcome,
        "told_at": reported_at,
        "told_by": None if reported_by is None else reported_by[:_NAME_LENGTH],
    }
