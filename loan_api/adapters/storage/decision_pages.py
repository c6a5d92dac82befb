"""Pages of decisions from both tables, newest first; batches appear row by row.

The number of records examined for a page is bounded, not the number found: a selective filter must not read the whole
log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, Subquery, case, func, select

from loan_api.adapters.storage.decision_reader import (
    batch_columns,
    batch_decisions,
    last_outcome,
    last_outcomes,
    single_decision,
)
from loan_api.adapters.storage.ids import within
from loan_api.adapters.storage.policies import RecordedPolicies
from loan_api.adapters.storage.tables import batches, decisions
from loan_api.credit.decision import APPROVED, DECISIONS
from loan_api.credit.form import Form
from loan_api.errors import UnreadableRecordError
from loan_api.services.audit import DecisionName, Page, RecordedDecision, Search

# The most single decisions and rows of batches examined for a page, except that a batch is examined to its end.
_EXAMINED = 5000
# Batches examined by one query.
_HEADS = 500
# Finding and unpacking a batch costs as much as this many single decisions.
_BATCH_COST = 50
# Greater than every id in any collation.
_NEWEST = "g"


def read_page(
    form: Form,
    connection: Connection,
    search: Search,
    start: DecisionName | None,
    limit: int,
    *,
    examined: int = _EXAMINED,
    heads: int = _HEADS,
) -> Page:
    """Return at most `limit` matching decisions from `start` on, after examining about `examined` records."""
    scan = _Scan(form, connection, search, limit, examined, heads)
    position: DecisionName | None = start or DecisionName(_NEWEST)
    while position is not None and scan.goes_on:
        position = scan.step(position)
    return Page(tuple(scan.found), position, tuple(scan.unreadable))


@dataclass(frozen=True)
class _Barrier:
    """The lower bound for a scan of single decisions: a batch that may match, or the end of the search for one."""

    recorded_id: str
    is_wanted: bool

    @property
    def position(self) -> DecisionName:
        return DecisionName(self.recorded_id, 0 if self.is_wanted else None)


class _Scan:
    """The work for one page. A position without a row means everything below that id."""

    def __init__(
        self, form: Form, connection: Connection, search: Search, limit: int, examined: int, heads: int
    ) -> None:
        self._form = form
        self._connection = connection
        self._search = search
        self._limit = limit
        self._budget = examined
        self._heads = heads
        self._policies = RecordedPolicies(connection)
        self.found: list[RecordedDecision] = []
        self.unreadable: list[str] = []

    @property
    def goes_on(self) -> bool:
        return self._room > 0 and self._budget > 0

    @property
    def _room(self) -> int:
        return self._limit - len(self.found) - len(self.unreadable)

    def step(self, position: DecisionName) -> DecisionName | None:
        """Examine some records; return where to continue, or None at the end."""
        if position.row is not None:
            return self._scan_batch(position.recorded_id, position.row)
        barrier = self._barrier(position.recorded_id)
        return self._scan_singles(position.recorded_id, barrier)

    def _scan_singles(self, below: str, barrier: _Barrier | None) -> DecisionName | None:
        following = None if barrier is None else barrier.position
        if self._search.endpoint == "batch":
            return following
        span = [decisions.c.id < below, *within(decisions, self._search.since, self._search.until)]
        if barrier is not None:
            span.append(decisions.c.id > barrier.recorded_id)
        # The search for a batch may have used up the budget, but every step must make progress.
        most = max(self._budget, 1)
        candidates = select(decisions).where(*span).order_by(decisions.c.id.desc()).limit(most).subquery()
        outcome = last_outcome(candidates)
        room = self._room
        rows = self._connection.execute(
            select(candidates, outcome.label("outcome"))
            .where(*self._single_filters(candidates, outcome))
            .order_by(candidates.c.id.desc())
            .limit(room)
        ).all()
        for row in rows:
            try:
                self.found.append(single_decision(self._form, row, self._policies))
            except UnreadableRecordError:
                self.unreadable.append(row.id)
        if len(rows) == room:
            return DecisionName(rows[-1].id)
        count, lowest = self._extent(candidates)
        self._budget -= count
        return DecisionName(lowest) if count == most else following

    def _scan_batch(self, batch_id: str, start: int) -> DecisionName:
        following = DecisionName(batch_id)
        if self._search.endpoint == "single":
            return following
        # The cursor may come from another search.
        span = within(batches, self._search.since, self._search.until)
        batch = self._connection.execute(
            select(batches).where(batches.c.id == batch_id, *span, *self._batch_filters())
        ).first()
        if batch is None:
            return following
        self._budget -= _BATCH_COST + batch.rows
        last = last_outcomes(self._connection, batch_id)
        try:
            return self._scan_rows(batch, start, last) or following
        except UnreadableRecordError:
            self.unreadable.append(batch_id)
            return following

    def _scan_rows(self, batch: Row[Any], start: int, last: Mapping[int, int]) -> DecisionName | None:
        """Return where to continue in the batch, or None at its end."""
        wanted = list(range(start, batch.rows))
        if self._search.prediction is not None or self._search.decision is not None:
            content = batch_columns(self._form, batch.id, batch.rows, batch.content)
            is_wanted = np.full(batch.rows, True)
            if self._search.prediction is not None:
                is_wanted &= content.predictions == self._search.prediction
            if self._search.decision is not None:
                is_wanted &= content.decisions == DECISIONS.index(self._search.decision)
            wanted = [row for row in wanted if is_wanted[row]]
        if self._search.outcome is not None:
            wanted = [row for row in wanted if _filter_value(last.get(row)) == self._search.outcome]
        rows = wanted[: self._room]
        self.found += batch_decisions(self._form, batch, rows, last, self._policies)
        return None if len(rows) == len(wanted) else DecisionName(batch.id, rows[-1] + 1)

    def _barrier(self, below: str) -> _Barrier | None:
        if self._search.endpoint == "single":
            return None
        span = (batches.c.id < below, *within(batches, self._search.since, self._search.until))
        heads = select(*_HEAD_COLUMNS).where(*span).order_by(batches.c.id.desc()).limit(self._heads).subquery()
        wanted = self._connection.execute(
            select(heads.c.id).where(*self._batch_filters(heads)).order_by(heads.c.id.desc()).limit(1)
        ).scalar()
        if wanted is not None:
            return _Barrier(wanted, is_wanted=True)
        count, lowest = self._extent(heads)
        self._budget -= count
        return _Barrier(lowest, is_wanted=False) if count == self._heads else None

    def _extent(self, candidates: Subquery) -> tuple[int, str]:
        count, lowest = self._connection.execute(select(func.count(), func.min(candidates.c.id))).one()
        return count, lowest

    def _single_filters(self, candidates: Subquery, outcome: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        search, columns = self._search, candidates.c
        filters: list[ColumnElement[Any]] = []
        if search.model_version is not None:
            filters.append(columns.semantic_version == search.model_version)
        if search.request_id is not None:
            filters.append(columns.request_id == search.request_id)
        if search.prediction is not None:
            filters.append(columns.prediction == search.prediction)
        if search.decision is not None:
            of_threshold = case((columns.prediction == APPROVED, "approve"), else_="decline")
            filters.append(func.coalesce(columns.decision, of_threshold) == search.decision)
        if search.outcome is not None:
            filters.append(outcome.is_(None) if search.outcome == "none" else outcome == int(search.outcome))
        return filters

    def _batch_filters(self, heads: Any = batches) -> list[ColumnElement[Any]]:
        search, columns = self._search, heads.c
        filters: list[ColumnElement[Any]] = []
        if search.model_version is not None:
            filters.append(columns.semantic_version == search.model_version)
        if search.request_id is not None:
            filters.append(columns.request_id == search.request_id)
        if search.prediction == 1:
            filters.append(columns.approved > 0)
        if search.prediction == 0:
            filters.append(columns.approved < columns.rows)
        if search.decision is not None:
            referred = func.coalesce(columns.referred, 0)
            declined = func.coalesce(columns.declined, columns.rows - columns.approved)
            counts = {"approve": columns.rows - referred - declined, "refer": referred, "decline": declined}
            filters.append(counts[search.decision] > 0)
        return filters


_HEAD_COLUMNS = (
    batches.c.id,
    batches.c.request_id,
    batches.c.semantic_version,
    batches.c.rows,
    batches.c.approved,
    batches.c.referred,
    batches.c.declined,
)


def _filter_value(outcome: int | None) -> str:
    return "none" if outcome is None else str(outcome)
