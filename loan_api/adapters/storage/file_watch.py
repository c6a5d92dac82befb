"""Detection of a removed or replaced SQLite database, and preservation of its write-ahead log."""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from loan_api.errors import StorageError

# Files that SQLite keeps next to an open database.
BESIDE = ("-wal", "-shm")


class _Identity(NamedTuple):
    """The identity of a file. Inode numbers are reused; together with the time of the last change they are unique."""

    device: int
    inode: int
    changed: int

    def is_same_file(self, other: "_Identity | None") -> bool:
        return other is not None and (self.device, self.inode) == (other.device, other.inode)


def _identity(file: Path | None) -> _Identity | None:
    if file is None:
        return None
    with suppress(OSError):
        status = os.stat(file)  # noqa: PTH116  # faster than a Path, and part of every transaction
        return _Identity(status.st_dev, status.st_ino, status.st_mtime_ns)
    return None


def quarantine_leftovers(file: Path) -> Sequence[Path]:
    """Rename the files left next to a missing or empty database, which SQLite would delete. Return the new names.

    Call this only while no other process creates the database. Raises OSError.
    """
    if file.exists() and file.stat().st_size:
        return ()
    left = [path for ending in BESIDE if (path := file.with_name(file.name + ending)).exists()]
    return [path.rename(f"{path}.left-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}") for path in left]


class FileWatch:
    """A watch for the removal or replacement of an SQLite database, after which writes to the open file would be lost.

    The write-ahead log of the old file is then renamed, as SQLite would apply it to the new one. If the old file comes
    back, so does its log.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._known = _identity(file)
        self._beside: dict[Path, _Identity | None] = {}
        if file is not None and self._known is not None:
            self._beside = {file.with_name(file.name + ending): None for ending in BESIDE}
            self._put_back()

    def note_beside(self) -> None:
        """Remember the files next to the database as its own. Call this once it is open."""
        self._beside = {path: _identity(path) for path in self._beside}

    def check(self) -> None:
        """Raise StorageError if the file is no longer the one that was opened."""
        if self._file is None:
            return
        found = _identity(self._file)
        if self._known is None or not self._known.is_same_file(found):
            self._quarantine()
            raise StorageError("the database's file was removed or replaced")
        self._known = found

    def _quarantine(self) -> None:
        for path, known in self._beside.items():
            # Another process may have been faster; this file would then belong to the new database.
            if known is not None and known.is_same_file(_identity(path)):
                with suppress(OSError):
                    path.rename(self._quarantined(path))

    def _put_back(self) -> None:
        for path in self._beside:
            with suppress(OSError):
                if not path.exists():
                    self._quarantined(path).rename(path)

    def _quarantined(self, path: Path) -> Path:
        known = self._known or _Identity(0, 0, 0)
        return path.with_name(f"{path.name}.of-{known.inode}-{known.changed}")
