"""How the decision log's database is reached, on SQLite and on PostgreSQL."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from loan_api.credit.errors import StorageError

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
        engine = create_engine(_existing(parsed), poolclass=NullPool, paramstyle="named", hide_parameters=True)

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _: Any) -> None:
            cursor = connection.cursor()
            cursor.execute(
                f"PRAGMA busy_timeout = {int(SQLITE_BUSY_SECONDS * patience * 1000) if waits_for_locks else 0}"
            )
            cursor.execute("PRAGMA journal_mode = WAL")
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
        from loan_api.storage.punctual_connection import PunctualConnection

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


class _Identity(NamedTuple):
    """Which file it is. Numbers of removed files are given to others: with the time of its last change it is sure."""

    device: int
    inode: int
    changed: int

    def is_same_file(self, other: "_Identity | None") -> bool:
        return other is not None and (self.device, self.inode) == (other.device, other.inode)


_BESIDE = ("-wal", "-shm")


def _identity(file: Path | None) -> _Identity | None:
    if file is None:
        return None
    with suppress(OSError):
        status = os.stat(file)  # noqa: PTH116  # with every transaction: a Path would cost more
        return _Identity(status.st_dev, status.st_ino, status.st_mtime_ns)
    return None


class FileWatch:
    """Notices that an SQLite database's file was removed or replaced: who has it open would write into nowhere.

    What SQLite has written ahead beside the old file is put aside then: it would be applied to the new one. It is put
    back where the old file comes back.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._known = _identity(file)
        self._beside: dict[Path, _Identity | None] = {}
        if file is not None and self._known is not None:
            self._beside = {file.with_name(file.name + ending): None for ending in _BESIDE}
            self._put_back()

    def note_beside(self) -> None:
        """Takes the files beside the database to be its own; to be called once it is open."""
        self._beside = {path: _identity(path) for path in self._beside}

    def check(self) -> None:
        """Raises StorageError where the file is not the one that was opened."""
        if self._file is None:
            return
        found = _identity(self._file)
        if self._known is None or not self._known.is_same_file(found):
            self._put_aside()
            raise StorageError("the database's file is gone or was replaced")
        self._known = found

    def _put_aside(self) -> None:
        for path, known in self._beside.items():
            # Another process may have been quicker, and this may be the new one's.
            if known is not None and known.is_same_file(_identity(path)):
                with suppress(OSError):
                    path.rename(self._aside(path))

    def _put_back(self) -> None:
        for path in self._beside:
            with suppress(OSError):
                if not path.exists():
                    self._aside(path).rename(path)

    def _aside(self, path: Path) -> Path:
        known = self._known or _Identity(0, 0, 0)
        return path.with_name(f"{path.name}.of-{known.inode}-{known.changed}")


def _existing(url: URL) -> URL:
    """The address by which SQLite opens a database for reading and writing, but does not make it."""
    if url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
        return url
    return url.set(database=f"file:{quote(str(url.database))}", query={"mode": "rw", "uri": "true"})
