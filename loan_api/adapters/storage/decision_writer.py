"""Writes decisions, many in one transaction."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Dialect, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from loan_api.adapters.storage.database import SQLITE_BUSY_SECONDS, check_revision, open_engine, sqlite_file
from loan_api.adapters.storage.failures import is_busy, storage_error
from loan_api.adapters.storage.file_watch import FileWatch
from loan_api.adapters.storage.tables import batches, decisions
from loan_api.errors import DatabaseBusyError, StorageError
from loan_api.services.decision_log import BatchRecord, Decider, DecisionRecord

# Another worker's transaction takes a fraction of a millisecond, one with a batch some milliseconds.
_PAUSE_SECONDS = 0.001


class DecisionWriter:
    """A connection of its own, opened when it is first needed and again after something went wrong. For one thread.

    `prepare` is called before it is opened; it may raise StorageError. `patience` multiplies the times that the
    database has to answer.
    """

    def __init__(self, url: str, prepare: Callable[[], object] = lambda: None, patience: float = 1.0) -> None:
        self._prepare = prepare
        self._file = sqlite_file(url)
        # SQLite would look for the end of a lock ever more rarely.
        self._engine = open_engine(url, patience=patience, waits_for_locks=False)
        self._busy_seconds = SQLITE_BUSY_SECONDS * patience
        self._decisions = _Addition(decisions, self._engine.dialect)
        self._batches = _Addition(batches, self._engine.dialect)
        self._connection: Connection | None = None
        self._watch = FileWatch(None)

    def write(self, singles: Sequence[DecisionRecord], whole_batches: Sequence[BatchRecord]) -> None:
        """Returns once all of them are in the database; what is there already is left as it is.

        With nothing to write it is a look whether the database answers. Raises DatabaseBusyError or another
        StorageError, and then nothing of it was written or all of it, if the answer got lost; it may be written again.
        """
        deadline = monotonic() + self._busy_seconds
        while True:
            try:
                return self._write(singles, whole_batches)
            except DatabaseBusyError:
                if monotonic() > deadline:
                    raise
            time.sleep(_PAUSE_SECONDS)

    def _write(self, singles: Sequence[DecisionRecord], whole_batches: Sequence[BatchRecord]) -> None:
        try:
            connection = self._connected()
            self._watch.check()
            if not singles and not whole_batches:
                check_revision(connection)
            self._decisions.run(connection, [_decision_row(record) for record in singles])
            self._batches.run(connection, [_batch_row(record) for record in whole_batches])
            connection.commit()
            # What went into a file that was taken away meanwhile is not recorded.
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
        """Gives the connection back."""
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


class _Addition:
    """Adds rows to a table, but those whose ids are there. The statement is put together once, not for each group."""

    def __init__(self, table: Table, dialect: Dialect) -> None:
        insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
        statement = insert(table).on_conflict_do_nothing(index_elements=[table.c.id])
        self._statement = str(statement.compile(dialect=dialect))
        self._time: Callable[[datetime], object] | None = table.c.decided_at.type.bind_processor(dialect)

    def run(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        """Within the transaction of the connection; `rows` have the values of every column by its name."""
        if rows:
            if self._time is not None:
                for row in rows:
                    row["decided_at"] = self._time(row["decided_at"])
            connection.exec_driver_sql(self._statement, rows)


def _decision_row(record: DecisionRecord) -> dict[str, Any]:
    return {
        "id": record.decision_id,
        "request_id": record.request_id,
        "decided_at": record.decided_at,
        "endpoint": "single",
        **_decider(record.decider),
        "features": record.features.decode(),
        "probability": record.probability,
        "prediction": record.prediction,
    }


def _batch_row(record: BatchRecord) -> dict[str, Any]:
    return {
        "id": record.batch_id,
        "request_id": record.request_id,
        "decided_at": record.decided_at,
        **_decider(record.decider),
        "rows": record.rows,
        "approved": record.approved,
        "content": record.content,
    }


def _decider(decider: Decider) -> Mapping[str, Any]:
    return {
        "model_name": decider.model_name,
        "registry_version": decider.registry_version,
        "semantic_version": decider.semantic_version,
        "threshold": decider.threshold,
    }
