"""Moves what SQLite has written ahead onto the disk and into its database, beside the transactions.

SQLite would do so at the end of whichever transaction comes next, and that one would wait for the disk.
"""

import logging
import os
import threading
import time
from pathlib import Path
from time import monotonic
from typing import Literal, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from loan_api.adapters.storage.database import open_engine, sqlite_file

_EVERY_SECONDS = 1.0
# Under load that never pauses the file would only grow: from so many pages on (a gigabyte) writers wait for the disk,
# some tenths of a second, so that it starts anew.
_RESTART_PAGES = 2**18
# They wait for the disk to take what is left then; so most of it is moved before, in so many turns at most.
_LEFT_PAGES = 64
_TURNS = 6
_ATTEMPTS = 500
_PAUSE_SECONDS = 0.001
# Not for a moment's worth of writing.
_LEAST_BYTES = 4 * 2**20
# What is there in the end is moved all the same.
_IDLE_SECONDS = 10.0

_log = logging.getLogger(__name__)


class _Moved(NamedTuple):
    """How many pages the file had, how many of them are not in the database yet, and whether nobody was in the way."""

    pages: int
    left: int
    is_done: bool


def keep_checkpointing(url: str) -> None:
    """Does so every second from a background thread; nothing for a database on a server."""
    file = sqlite_file(url)
    if file is not None:
        checkpoints = Checkpoints(url, file, monotonic())
        threading.Thread(target=_look_forever, args=(checkpoints,), name="checkpoints", daemon=True).start()


def _look_forever(checkpoints: "Checkpoints") -> None:
    pause = threading.Event()
    while not pause.wait(_EVERY_SECONDS):
        try:
            checkpoints.look(monotonic())
        except (OSError, SQLAlchemyError) as error:
            # The database is away; those who write to it say so.
            _log.debug("no checkpoint", extra={"error": type(error).__name__})


class Checkpoints:
    """Those of one database. Times are in seconds of any clock."""

    def __init__(self, url: str, file: Path, now: float) -> None:
        self._ahead = file.with_name(f"{file.name}-wal")
        self._engine = open_engine(url, waits_for_locks=False)
        self._written = 0
        self._last = now

    def look(self, now: float) -> None:
        """Sees to it that all is on the disk, and moves what is worth it. Raises OSError, SQLAlchemyError."""
        before, status = self._written, _synced(self._ahead)
        self._written = status.st_mtime_ns
        is_long_ago = now - self._last > _IDLE_SECONDS
        if self._written != before and (status.st_size > _LEAST_BYTES or is_long_ago):
            self._last = now
            with self._engine.connect() as connection:
                _checkpoint(connection)
        elif self._written == before and is_long_ago and status.st_size:
            # Nobody writes, so nobody waits.
            with self._engine.connect() as connection:
                _move(connection, "TRUNCATE")


def _synced(file: Path) -> os.stat_result:
    """What is known of the file; all that it has is on the disk."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _checkpoint(connection: Connection) -> None:
    """Moves what can be moved beside the writers; starts the file anew where it has grown long."""
    for _ in range(_TURNS):
        moved = _move(connection, "PASSIVE")
        if moved.pages < _RESTART_PAGES:
            return
        if moved.left < _LEFT_PAGES:
            break
    _restart(connection)


def _restart(connection: Connection) -> None:
    # SQLite would wait for its turn longer and longer, and meanwhile keep out those for whom it waits.
    for _ in range(_ATTEMPTS):
        if _move(connection, "RESTART").is_done:
            return
        time.sleep(_PAUSE_SECONDS)


def _move(connection: Connection, kind: Literal["PASSIVE", "RESTART", "TRUNCATE"]) -> _Moved:
    busy, pages, moved = connection.execute(text(f"PRAGMA wal_checkpoint({kind})")).one()
    connection.rollback()
    return _Moved(pages, pages - moved, not busy)
