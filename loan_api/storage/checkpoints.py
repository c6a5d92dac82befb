"""Moves what SQLite has written ahead onto the disk and into its database, beside the transactions.

SQLite would do so at the end of whichever transaction comes next, and that one would wait for the disk.
"""

import logging
import os
import threading
from pathlib import Path
from time import monotonic

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from loan_api.storage.database import open_engine, sqlite_file

_EVERY_SECONDS = 1.0
# Under load that never pauses the file would only grow: from this size on, writers wait until it starts anew.
_RESTART_BYTES = 64 * 2**20
# Not for a moment's worth of writing.
_LEAST_BYTES = 4 * 2**20
# What is there in the end is moved all the same.
_IDLE_SECONDS = 10.0

_log = logging.getLogger(__name__)


def keep_checkpointing(url: str) -> None:
    """Does so every second from a background thread; nothing for a database on a server."""
    file = sqlite_file(url)
    if file is not None:
        threading.Thread(target=_checkpoint_forever, args=(url, file), name="checkpoints", daemon=True).start()


def _checkpoint_forever(url: str, file: Path) -> None:
    ahead = file.with_name(f"{file.name}-wal")
    engine = open_engine(url)
    pause = threading.Event()
    size, last = 0, monotonic()
    while not pause.wait(_EVERY_SECONDS):
        try:
            before, size = size, _sync(ahead)
            if size > _LEAST_BYTES or (size != before and monotonic() - last > _IDLE_SECONDS):
                last = monotonic()
                with engine.connect() as connection:
                    _checkpoint(connection, "PASSIVE")
                    if size > _RESTART_BYTES:
                        _checkpoint(connection, "TRUNCATE")
        except (OSError, SQLAlchemyError) as error:
            # The database is away; those who write to it say so.
            _log.debug("no checkpoint", extra={"error": type(error).__name__})


def _sync(file: Path) -> int:
    """The file's size; all that it has is on the disk."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _checkpoint(connection: Connection, kind: str) -> None:
    connection.execute(text(f"PRAGMA wal_checkpoint({kind})"))
    connection.rollback()
