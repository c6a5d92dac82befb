"""Ranges of ids for time spans: ids are UUIDs of version 7, which begin with the time."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table

# Earlier versions took the time of an id a little before or after the decision.
_APART = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = range(2**48)


def first_id(moment: datetime) -> str:
    """Return the smallest id of that millisecond."""
    since = int((moment - _EPOCH) / timedelta(milliseconds=1))
    digits = f"{min(max(since, _MILLISECONDS.start), _MILLISECONDS.stop - 1):012x}"
    return f"{digits[:8]}-{digits[8:]}-0000-0000-000000000000"


def within(table: Table, since: datetime | None, until: datetime | None) -> list[ColumnElement[Any]]:
    """Return the conditions for decisions in [`since`, `until`); only that key range is read."""
    conditions: list[ColumnElement[Any]] = []
    if since is not None:
        conditions += [table.c.id >= first_id(_shifted(since, -_APART)), table.c.decided_at >= since]
    if until is not None:
        conditions += [table.c.id < first_id(_shifted(until, _APART)), table.c.decided_at < until]
    return conditions


def in_span(
    table: Table, since: datetime | None, until: datetime | None, model_version: str | None
) -> list[ColumnElement[Any]]:
    """Return the conditions of `within`, optionally for decisions of one semantic version only."""
    span = within(table, since, until)
    if model_version is not None:
        span.append(table.c.semantic_version == model_version)
    return span


def _shifted(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:
        return moment
