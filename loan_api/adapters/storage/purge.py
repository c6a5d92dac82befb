"""Deletion of decisions past their retention, in small transactions, so that the service can keep recording."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, select

from loan_api.adapters.storage.database import begin_exclusive
from loan_api.adapters.storage.ids import within
from loan_api.adapters.storage.tables import batches, decisions, outcomes, referrals, review_steps, reviews

# The most deleted in one transaction. Batches are limited by their rows too, but at least one is deleted.
_SINGLES = 2000
_BATCHES = 20
_BATCH_ROWS = 20_000


@dataclass(frozen=True)
class PurgeCount:
    """Counts of single decisions, batches, decisions in those batches, and undecided referrals."""

    singles: int = 0
    whole_batches: int = 0
    rows: int = 0
    undecided: int = 0

    def __add__(self, other: "PurgeCount") -> "PurgeCount":
        return PurgeCount(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


def count_older(connection: Connection, cutoff: datetime) -> PurgeCount:
    """Count the decisions made before `cutoff`."""
    singles = connection.execute(select(func.count()).where(*within(decisions, None, cutoff))).scalar_one()
    whole, rows = connection.execute(
        select(func.count(), func.coalesce(func.sum(batches.c.rows), 0)).where(*within(batches, None, cutoff))
    ).one()
    undecided = _undecided(connection, *within(referrals, None, cutoff))
    connection.rollback()
    return PurgeCount(singles, whole, rows, undecided)


def purge(connection: Connection, cutoff: datetime, pause: Callable[[], object]) -> Iterator[PurgeCount]:
    """Delete decisions made before `cutoff` with their outcomes and reviews; yield the count of each transaction.

    `pause` is called after each transaction, without locks. The purge can be stopped and repeated at any time.
    """
    for take in (_take_singles, _take_batches):
        while True:
            begin_exclusive(connection)
            deleted = take(connection, cutoff)
            connection.commit()
            if deleted == PurgeCount():
                break
            yield deleted
            pause()


def _take_singles(connection: Connection, cutoff: datetime) -> PurgeCount:
    found = connection.execute(
        select(decisions.c.id).where(*within(decisions, None, cutoff)).order_by(decisions.c.id).limit(_SINGLES)
    )
    ids = list(found.scalars())
    return PurgeCount(singles=len(ids), undecided=_delete(connection, decisions.c.id, ids))


def _take_batches(connection: Connection, cutoff: datetime) -> PurgeCount:
    found = connection.execute(
        select(batches.c.id, batches.c.rows)
        .where(*within(batches, None, cutoff))
        .order_by(batches.c.id)
        .limit(_BATCHES)
    )
    ids: list[str] = []
    rows = 0
    for batch in found.all():
        if ids and rows + batch.rows > _BATCH_ROWS:
            break
        ids.append(batch.id)
        rows += batch.rows
    return PurgeCount(whole_batches=len(ids), rows=rows, undecided=_delete(connection, batches.c.id, ids))


def _delete(connection: Connection, key: ColumnElement[Any], ids: list[str]) -> int:
    """Delete decisions with everything that belongs to them; return how many referrals were undecided."""
    if not ids:
        return 0
    undecided = _undecided(connection, referrals.c.id.in_(ids))
    for table in (outcomes, review_steps, reviews):
        connection.execute(delete(table).where(table.c.decision_id.in_(ids)))
    connection.execute(delete(referrals).where(referrals.c.id.in_(ids)))
    connection.execute(delete(key.table).where(key.in_(ids)))
    return undecided


def _undecided(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    total = select(func.coalesce(func.sum(referrals.c.undecided), 0)).where(*conditions)
    return int(connection.execute(total).scalar_one())
