"""Writer of decisions, many in one transaction."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from time import monotonic
from typing import Any

import msgspec
from sqlalchemy import JSON, Connection, Dialect, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from loan_api.adapters.storage.database import SQLITE_BUSY_SECONDS, check_revision, open_engine
from loan_api.adapters.storage.failures import is_busy, storage_error
from loan_api.adapters.storage.file_watch import FileWatch
from loan_api.adapters.storage.policies import write_activation
from loan_api.adapters.storage.tables import batches, decisions, referrals
from loan_api.errors import DatabaseBusyError, StorageError
from loan_api.home import sqlite_path
from loan_api.services.decision_log import BatchRecord, DecisionRecord, PolicyActivation

# Another process's transaction takes a fraction of a millisecond, or a few milliseconds with a batch.
_PAUSE_SECONDS = 0.001


class DecisionWriter:
    """A writer for one thread, whose connection opens on first use and again after a failure.

    `prepare` is called before the connection opens and may raise StorageError. `patience` multiplies the time limits.
    """

    def __init__(self, url: str, prepare: Callable[[], object] = lambda: None, patience: float = 1.0) -> None:
        self._prepare = prepare
        self._file = sqlite_path(url)
        # SQLite itself would wait for a lock with ever longer pauses.
        self._engine = open_engine(url, patience=patience, waits_for_locks=False)
        self._busy_seconds = SQLITE_BUSY_SECONDS * patience
        dialect = self._engine.dialect
        small = _JsonInsert if dialect.name == "postgresql" else _Insert
        self._decisions = small(decisions, dialect)
        self._referrals = small(referrals, dialect)
        self._batches = _Insert(batches, dialect)
        self._connection: Connection | None = None
        self._watch = FileWatch(None)

    def write(
        self,
        singles: Sequence[DecisionRecord],
        whole_batches: Sequence[BatchRecord],
        activations: Sequence[PolicyActivation] = (),
    ) -> None:
        """Return once all records are in the database. Existing ones are left unchanged.

        With nothing to write, check that the database answers. Raises DatabaseBusyError or another StorageError; then
        nothing was written, or everything if only the answer was lost. Writing again is safe.
        """
        deadline = monotonic() + self._busy_seconds
        while True:
            try:
                return self._write(singles, whole_batches, activations)
            except DatabaseBusyError:
                if monotonic() > deadline:
                    raise
            time.sleep(_PAUSE_SECONDS)

    def _write(
        self,
        singles: Sequence[DecisionRecord],
        whole_batches: Sequence[BatchRecord],
        activations: Sequence[PolicyActivation],
    ) -> None:
        try:
            connection = self._connected()
            self._watch.check()
            if not (singles or whole_batches or activations):
                check_revision(connection)
            for activation in activations:
                write_activation(connection, activation)
            self._decisions.run(connection, [_decision_row(record) for record in singles])
            self._batches.run(connection, [_batch_row(record) for record in whole_batches])
            self._referrals.run(connection, _referral_rows(singles, whole_batches))
            connection.commit()
            # Records in a file that was removed in the meantime are lost.
            self._watch.check()
        except SQLAlchemyError as error:
            if is_busy(error) and self._connection is not None:
                self._connection.rollback()
                raise DatabaseBusyError("the database is locked") from error
            self.close()
            raise storage_error(error) from error
        except StorageError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.invalidate()
                connection.close()

    def _connected(self) -> Connection:
        if self._connection is None:
            self._prepare()
            watch = FileWatch(self._file)
            connection = self._engine.connect()
            try:
                check_revision(connection)
                connection.rollback()
            except (SQLAlchemyError, StorageError):
                connection.close()
                raise
            watch.note_beside()
            self._connection, self._watch = connection, watch
        return self._connection


class _Insert:
    """An insert that skips existing ids. The statement is compiled once, not for each group."""

    def __init__(self, table: Table, dialect: Dialect) -> None:
        insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
        statement = insert(table).on_conflict_do_nothing(index_elements=[table.c.id])
        self._statement = str(statement.compile(dialect=dialect))
        self._time: Callable[[datetime], object] | None = table.c.decided_at.type.bind_processor(dialect)

    def run(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        """Insert the rows, each with the values of all columns by name, within the connection's transaction."""
        if rows:
            if self._time is not None:
                for row in rows:
                    row["decided_at"] = self._time(row["decided_at"])
            connection.exec_driver_sql(self._statement, rows)


class _JsonInsert:
    """An insert of many small rows for PostgreSQL, which parses one statement instead of one per row."""

    def __init__(self, table: Table, dialect: Dialect) -> None:
        names = ", ".join(column.name for column in table.c)
        typed = ", ".join(f"{column.name} {column.type.compile(dialect)}" for column in table.c)
        record = f"json_to_recordset(%(rows)s) AS record ({typed})"
        # All names come from the declared table.
        self._statement = f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {record} ON CONFLICT (id) DO NOTHING"  # noqa: S608
        self._encoded = [column.name for column in table.c if isinstance(column.type, JSON)]

    def run(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        """Insert the rows, each with the values of all columns by name, within the connection's transaction."""
        if rows:
            for name in self._encoded:
                for row in rows:
                    row[name] = msgspec.Raw(row[name].encode())
            connection.exec_driver_sql(self._statement, {"rows": msgspec.json.encode(rows).decode()})


def _decision_row(record: DecisionRecord) -> dict[str, Any]:
    return {
        "id": record.decision_id,
        "request_id": record.request_id,
        "decided_at": record.decided_at,
        "endpoint": "single",
        **record.decider.to_columns(),
        "features": record.features.decode(),
        "probability": record.probability,
        "prediction": record.prediction,
        "decision": record.decision,
        "rule": record.rule,
        "policy": record.policy,
    }


def _batch_row(record: BatchRecord) -> dict[str, Any]:
    return {
        "id": record.batch_id,
        "request_id": record.request_id,
        "decided_at": record.decided_at,
        **record.decider.to_columns(),
        "rows": record.rows,
        "approved": record.approved,
        "content": record.content,
        "referred": record.referred,
        "declined": record.declined,
        "policy": record.policy,
    }


def _referral_rows(singles: Sequence[DecisionRecord], whole_batches: Sequence[BatchRecord]) -> list[dict[str, Any]]:
    """Return a row for each record with referrals; those of a batch share one, as there may be thousands."""
    rows = [(record.decision_id, record.decided_at, 1) for record in singles if record.decision == "refer"]
    rows += [(batch.batch_id, batch.decided_at, batch.referred) for batch in whole_batches if batch.referred]
    return [{"id": record_id, "decided_at": at, "undecided": count} for record_id, at, count in rows]
