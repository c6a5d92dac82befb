"""Engines and connections of the decision log, on SQLite and PostgreSQL."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from loan_api.adapters.storage.failures import storage_error
from loan_api.errors import StorageError

# The newest migration, known here without importing Alembic.
REVISION = "0004"
# How long SQLite waits for another process's lock.
SQLITE_BUSY_SECONDS = 0.3
_CONNECT_SECONDS = 3
_STATEMENT_SECONDS = 5
# The server gets this much longer to report its own timeout.
_REPORT_SECONDS = 1
# Arbitrary, but no other user of the database may take it.
_WRITE_LOCK = 5_224_114


def open_engine(url: str, *, patience: float = 1.0, waits_for_locks: bool = True) -> Engine:
    """Return an engine without a pool, which never creates an SQLite database.

    `patience` multiplies the time limits. Without `waits_for_locks`, a lock that another process holds in SQLite is
    reported immediately. SQLite transactions survive a kill; the recorder syncs them to disk within a second.
    """
    parsed = make_url(url)
    return _sqlite(parsed, patience, waits_for_locks) if _is_sqlite(parsed) else _postgresql(parsed, patience)


def _sqlite(url: URL, patience: float, waits_for_locks: bool) -> Engine:
    engine = create_engine(
        _existing(url), poolclass=NullPool, paramstyle="named", hide_parameters=True, json_deserializer=_json_or_none
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        # Opening the file while another process closes or recovers it must wait in any case.
        cursor.execute(f"PRAGMA busy_timeout = {int(SQLITE_BUSY_SECONDS * patience * 1000)}")
        cursor.execute("PRAGMA journal_mode = WAL")
        if not waits_for_locks:
            cursor.execute("PRAGMA busy_timeout = 0")
        cursor.execute("PRAGMA synchronous = NORMAL")
        # In pages, and only for processes that write now and then: the recorder checkpoints sooner.
        cursor.execute("PRAGMA wal_autocheckpoint = 400000")
        cursor.close()

    return engine


def _postgresql(url: URL, patience: float) -> Engine:
    seconds = _STATEMENT_SECONDS * patience
    # A pooler in transaction mode gives each transaction another server connection, rejects unknown startup parameters,
    # and cannot keep prepared statements: settings are part of the transaction, and statements are not prepared.
    begin = "BEGIN"
    if "statement_timeout" not in str(url.query.get("options", "")):
        begin += f"; SET LOCAL statement_timeout = {int(seconds * 1000)}"
    limits = {"connect_timeout": _CONNECT_SECONDS, "tcp_user_timeout": _CONNECT_SECONDS * 1000}
    own = {name: value for name, value in limits.items() if name not in url.query}
    engine = create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={**own, "prepare_threshold": None, "autocommit": True},
    )

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, named: dict[str, Any]) -> Any:
        # Imports psycopg.
        from loan_api.adapters.storage.timed_connection import TimedConnection

        connection = TimedConnection.connect(*arguments, **named)
        connection.limit = seconds + _REPORT_SECONDS
        return connection

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        # One round trip; psycopg itself, in autocommit mode, sends no BEGIN.
        connection.exec_driver_sql(begin, execution_options={"no_parameters": True})

    return engine


def begin_exclusive(connection: Connection) -> None:
    """Begin a transaction that excludes all others of this kind, for writes that depend on existing rows.

    In SQLite it excludes every writer, the recorder included, so it must be short.
    """
    connection.rollback()
    if connection.dialect.name == "sqlite":
        connection.execute(text("BEGIN IMMEDIATE"))
    else:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})"))


def check_revision(connection: Connection) -> None:
    """Raise StorageError unless the schema is at the revision of the code."""
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision != REVISION:
        raise StorageError(f"the database is at revision {revision}, the code expects {REVISION}")


@contextmanager
def connected(url: str, patience: float = 1.0) -> Iterator[Connection]:
    """Open a connection to a migrated database for the duration of the block. Database errors become StorageError."""
    try:
        with open_engine(url, patience=patience).connect() as connection:
            check_revision(connection)
            connection.rollback()
            yield connection
    except SQLAlchemyError as error:
        raise storage_error(error) from error


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _json_or_none(text: str | bytes) -> Any:
    """Return None for damaged JSON, which must not cost the other rows of a query."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _existing(url: URL) -> URL:
    """Return an address with which SQLite opens an existing database and never creates one."""
    if url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
        return url
    return url.set(database=f"file:{quote(str(url.database))}", query={"mode": "rw", "uri": "true"})
