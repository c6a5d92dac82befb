"""Checkpoints of SQLite's write-ahead log, concurrent with transactions.

SQLite itself would checkpoint at the end of some transaction, which would then wait for the disk.
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

from loan_api.adapters.storage.database import open_engine
from loan_api.home import sqlite_path

_EVERY_SECONDS = 1.0
# Under continuous load the log would only grow: above this many pages (a gigabyte) writers wait some tenths of a second
# for the disk, so that the log can restart from its beginning.
_RESTART_PAGES = 2**18
# Writers wait while the remaining pages are moved, so most are moved before, in at most this many passes.
_REMAINING_PAGES = 64
_PASSES = 6
_ATTEMPTS = 500
_PAUSE_SECONDS = 0.001
# Less is not worth a checkpoint.
_LEAST_BYTES = 4 * 2**20
# After this time, any remainder is moved.
_IDLE_SECONDS = 10.0

_log = logging.getLogger(__name__)


class _Moved(NamedTuple):
    """The pages in the log, how many of them are not in the database yet, and whether the locks were free."""

    pages: int
    left: int
    is_done: bool


def keep_checkpointing(url: str) -> None:
    """Checkpoint every second from a background thread; do nothing for a database on a server."""
    file = sqlite_path(url)
    if file is not None:
        checkpoints = Checkpoints(url, file, monotonic())
        threading.Thread(target=_check_forever, args=(checkpoints,), name="checkpoints", daemon=True).start()


def _check_forever(checkpoints: "Checkpoints") -> None:
    pause = threading.Event()
    while not pause.wait(_EVERY_SECONDS):
        try:
            checkpoints.check(monotonic())
        except (OSError, SQLAlchemyError) as error:
            # The database is unavailable, which its writers report.
            _log.debug("no checkpoint", extra={"error": type(error).__name__})


class Checkpoints:
    """The checkpoints of one database. Times are in seconds of any monotonic clock."""

    def __init__(self, url: str, file: Path, now: float) -> None:
        self._log_file = file.with_name(f"{file.name}-wal")
        self._engine = open_engine(url, waits_for_locks=False)
        self._written = 0
        self._last = now

    def check(self, now: float) -> None:
        """Sync the log to disk, and checkpoint if it is worth it. Raises OSError, SQLAlchemyError."""
        before, status = self._written, _synced(self._log_file)
        self._written = status.st_mtime_ns
        is_long_ago = now - self._last > _IDLE_SECONDS
        if self._written != before and (status.st_size > _LEAST_BYTES or is_long_ago):
            self._last = now
            with self._engine.connect() as connection:
                _checkpoint(connection)
        elif self._written == before and is_long_ago and status.st_size:
            # No writer is active, so none waits.
            with self._engine.connect() as connection:
                _move(connection, "TRUNCATE")


def _synced(file: Path) -> os.stat_result:
    """Sync the file to disk and return its status."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _checkpoint(connection: Connection) -> None:
    """Move pages while others write; restart the log if it has grown long."""
    for _ in range(_PASSES):
        moved = _move(connection, "PASSIVE")
        if moved.pages < _RESTART_PAGES:
            return
        if moved.left < _REMAINING_PAGES:
            break
    _restart(connection)


def _restart(connection: Connection) -> None:
    # SQLite would wait ever longer for its lock while it blocks writers.
    for _ in range(_ATTEMPTS):
        if _move(connection, "RESTART").is_done:
            return
        time.sleep(_PAUSE_SECONDS)


def _move(connection: Connection, kind: Literal["PASSIVE", "RESTART", "TRUNCATE"]) -> _Moved:
    busy, pages, moved = connection.execute(text(f"PRAGMA wal_checkpoint({kind})")).one()
    connection.rollback()
    return _Moved(pages, pages - moved, not busy)
