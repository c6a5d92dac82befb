"""Decisions of a time span, oldest first, in chunks: the whole log can be read in constant memory."""

from collections.abc import Callable, Iterator
from datetime import datetime
from heapq import merge
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, Table, func, select

from loan_api.adapters.storage.decision_reader import (
    batch_columns,
    batch_head_columns,
    decision_of_row,
    last_outcome,
    last_outcomes,
    single_columns,
)
from loan_api.adapters.storage.ids import in_span
from loan_api.adapters.storage.policies import RecordedPolicies
from loan_api.adapters.storage.tables import batches, decisions
from loan_api.credit.decision import DECISIONS
from loan_api.credit.form import Form
from loan_api.errors import UnreadableRecordError
from loan_api.services.audit import DecisionName
from loan_api.services.decision_chunks import DecisionChunk
from loan_api.services.decision_log import Decider

# The most single decisions in a chunk; each batch is a chunk.
_SINGLES = 2000
_HEADS = 200

_Entry = tuple[str, Row[Any]]


def stream(
    form: Form,
    connection: Connection,
    since: datetime | None,
    until: datetime | None,
    model_version: str | None,
    unreadable: Callable[[str], object],
    after: str = "",
) -> Iterator[DecisionChunk]:
    """Iterate over decisions in [`since`, `until`), optionally of one semantic version.

    Those up to the record `after` are skipped. Damaged records are skipped, too; `unreadable` is called with the id of
    each, a decision or a batch. No transaction spans two reads, so that SQLite can checkpoint in between.
    """
    reader = _Reader(form, connection, since, until, model_version, after)
    entries = merge(reader.singles(), reader.heads(), key=lambda entry: entry[1].id)
    for kind, group in groupby(entries, key=lambda entry: entry[0]):
        rows = (row for _, row in group)
        if kind == "batch":
            for head in rows:
                try:
                    chunk = reader.batch_chunk(head)
                except UnreadableRecordError:
                    unreadable(head.id)
                else:
                    yield chunk
        else:
            for _, same in groupby(rows, key=lambda row: (Decider.of_row(row), row.policy)):
                for some in _in_pieces(same):
                    chunk = _single_chunk(form, some, reader.policies, unreadable)
                    if len(chunk):
                        yield chunk


def count_decisions(
    connection: Connection, since: datetime | None, until: datetime | None, model_version: str | None, after: str = ""
) -> int:
    """Count the decisions that `stream` would iterate over."""
    total = 0
    for table, rows in ((decisions, func.count()), (batches, func.sum(batches.c.rows))):
        conditions = [table.c.id > after, *in_span(table, since, until, model_version)]
        total += connection.scalar(select(rows).select_from(table).where(*conditions)) or 0
    connection.rollback()
    return total


class _Reader:
    def __init__(
        self,
        form: Form,
        connection: Connection,
        since: datetime | None,
        until: datetime | None,
        model_version: str | None,
        after: str,
    ) -> None:
        self._form = form
        self._connection = connection
        self._after = after
        self._since, self._until, self._model_version = since, until, model_version
        self.policies = RecordedPolicies(connection)

    def singles(self) -> Iterator[_Entry]:
        columns = [*decisions.c, last_outcome(decisions).label("outcome")]
        return self._entries("single", decisions, columns, _SINGLES)

    def heads(self) -> Iterator[_Entry]:
        return self._entries("batch", batches, batch_head_columns(), _HEADS)

    def batch_chunk(self, head: Row[Any]) -> DecisionChunk:
        content = self._connection.execute(select(batches.c.content).where(batches.c.id == head.id)).scalar_one()
        last = last_outcomes(self._connection, head.id)
        policy = self.policies.deciding(head.policy)
        self._connection.rollback()
        decided = batch_columns(self._form, head.id, head.rows, content)
        return DecisionChunk(
            decider=Decider.of_row(head),
            endpoint="batch",
            ids=[str(DecisionName(head.id, row)) for row in range(head.rows)],
            request_ids=[head.request_id] * head.rows,
            decided_at=[head.decided_at] * head.rows,
            applications=decided.applications,
            probabilities=decided.probabilities,
            predictions=decided.predictions,
            outcomes=[last.get(row) for row in range(head.rows)],
            decisions=decided.decisions,
            rules=decided.rules,
            policy=policy,
        )

    def _entries(self, kind: str, table: Table, columns: list[Any], most: int) -> Iterator[_Entry]:
        after = self._after
        while True:
            rows = self._connection.execute(
                select(*columns)
                .where(table.c.id > after, *in_span(table, self._since, self._until, self._model_version))
                .order_by(table.c.id)
                .limit(most)
            ).all()
            self._connection.rollback()
            for row in rows:
                yield kind, row
            if len(rows) < most:
                return
            after = rows[-1].id


def _single_chunk(
    form: Form, rows: list[Row[Any]], policies: RecordedPolicies, unreadable: Callable[[str], object]
) -> DecisionChunk:
    decider, policy = Decider.of_row(rows[0]), policies.deciding(rows[0].policy)
    try:
        applications = single_columns(form, rows)
    except UnreadableRecordError:
        rows = [row for row in rows if _is_readable(form, row, unreadable)]
        applications = single_columns(form, rows)
    return DecisionChunk(
        decider=decider,
        endpoint="single",
        ids=[row.id for row in rows],
        request_ids=[row.request_id for row in rows],
        decided_at=[row.decided_at for row in rows],
        applications=applications,
        probabilities=np.array([row.probability for row in rows]),
        predictions=np.array([row.prediction for row in rows], dtype=np.int8),
        outcomes=[row.outcome for row in rows],
        decisions=np.array([DECISIONS.index(decision_of_row(row)) for row in rows], dtype=np.int8),
        rules=[row.rule for row in rows],
        policy=policy,
    )


def _is_readable(form: Form, row: Row[Any], unreadable: Callable[[str], object]) -> bool:
    try:
        single_columns(form, [row])
    except UnreadableRecordError:
        unreadable(row.id)
        return False
    return True


def _in_pieces(rows: Iterator[Row[Any]]) -> Iterator[list[Row[Any]]]:
    piece: list[Row[Any]] = []
    for row in rows:
        piece.append(row)
        if len(piece) == _SINGLES:
            yield piece
            piece = []
    if piece:
        yield piece
