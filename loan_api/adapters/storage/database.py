"""How the decision log's database is reached, on SQLite and on PostgreSQL."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from loan_api.errors import StorageError

# The newest of the migrations, which need not be imported to know it.
REVISION = "0002"
# A database that answers later than this does not answer. SQLite's time is that of a lock that another process holds.
SQLITE_BUSY_SECONDS = 0.3
_CONNECT_SECONDS = 3
_STATEMENT_SECONDS = 5
_SAYING_SO_SECONDS = 1


def open_engine(url: str, *, patience: float = 1.0, waits_for_locks: bool = True) -> Engine:
    """An engine that keeps nothing open, and makes no SQLite database where there is none.

    `patience` multiplies the times that the database has to answer; without `waits_for_locks`, what another process has
    locked in SQLite is busy at once. A transaction of SQLite survives whatever is killed; the recorder sees to it that
    it survives a loss of power a second later.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(
            _existing(parsed),
            poolclass=NullPool,
            paramstyle="named",
            hide_parameters=True,
            json_deserializer=_json_or_none,
        )

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _: Any) -> None:
            cursor = connection.cursor()
            # Who opens the file while another one closes or recovers it waits in any case.
            cursor.execute(f"PRAGMA busy_timeout = {int(SQLITE_BUSY_SECONDS * patience * 1000)}")
            cursor.execute("PRAGMA journal_mode = WAL")
            if not waits_for_locks:
                cursor.execute("PRAGMA busy_timeout = 0")
            cursor.execute("PRAGMA synchronous = NORMAL")
            # Pages: for processes that write now and then. The recorder sees to it itself, sooner.
            cursor.execute("PRAGMA wal_autocheckpoint = 400000")
            cursor.close()

        return engine
    seconds = _STATEMENT_SECONDS * patience
    engine = create_engine(
        parsed,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "tcp_user_timeout": int(_CONNECT_SECONDS * 1000),
            "options": f"-c statement_timeout={int(seconds * 1000)} -c timezone=UTC",
        },
    )

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, named: dict[str, Any]) -> Any:
        # Imports psycopg.
        from loan_api.adapters.storage.punctual_connection import PunctualConnection

        connection = PunctualConnection.connect(*arguments, **named)
        # The server has a moment to say that a statement took too long.
        connection.patience = seconds + _SAYING_SO_SECONDS
        return connection

    return engine


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for one in memory or on a server."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(str(parsed.database))


def check_revision(connection: Connection) -> None:
    """Raises StorageError unless the schema is at the revision of the code."""
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision != REVISION:
        raise StorageError(f"the database is at revision {revision}, the code expects {REVISION}")


def is_busy(error: SQLAlchemyError) -> bool:
    """Whether it is only that another process writes to an SQLite database just now."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
    # The lowest byte; those above say what keeps it busy.
    return code is not None and code & 0xFF == sqlite3.SQLITE_BUSY


def unanswered(error: SQLAlchemyError | OSError) -> StorageError:
    """Says that a database does not answer, without the details, which may quote what was to be written."""
    cause = getattr(error, "orig", None)
    kind = type(cause if cause is not None else error).__name__
    return StorageError(f"the database does not answer or is not migrated ({kind})")


@contextmanager
def connected(url: str, patience: float = 1.0) -> Iterator[Connection]:
    """A connection for as long as the block runs, to a database at the revision of the code.

    What goes wrong with the database becomes StorageError.
    """
    try:
        with open_engine(url, patience=patience).connect() as connection:
            check_revision(connection)
            connection.rollback()
            yield connection
    except SQLAlchemyError as error:
        raise unanswered(error) from error


def _json_or_none(text: str | bytes) -> Any:
    """None for what is damaged: it is to cost none of the rows that are read with it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _existing(url: URL) -> URL:
    """The address by which SQLite opens a database for reading and writing, but does not make it."""
    if url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
        return url
    return url.set(database=f"file:{quote(str(url.database))}", query={"mode": "rw", "uri": "true"})
