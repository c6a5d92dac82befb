"""Notices that the file of a SQLite database is not there any more, or is another one, and keeps what is left of it."""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from loan_api.errors import StorageError

# What SQLite keeps beside a database while it is open.
BESIDE = ("-wal", "-shm")


class _Identity(NamedTuple):
    """Which file it is. Numbers of removed files are given to others: with the time of its last change it is sure."""

    device: int
    inode: int
    changed: int

    def is_same_file(self, other: "_Identity | None") -> bool:
        return other is not None and (self.device, self.inode) == (other.device, other.inode)


def _identity(file: Path | None) -> _Identity | None:
    if file is None:
        return None
    with suppress(OSError):
        status = os.stat(file)  # noqa: PTH116  # with every transaction: a Path would cost more
        return _Identity(status.st_dev, status.st_ino, status.st_mtime_ns)
    return None


def set_aside_leftovers(file: Path) -> Sequence[Path]:
    """Renames what is left beside a database that is gone, or empty: SQLite would delete it. Returns the new names.

    To be called where nobody else is making that database. Raises OSError.
    """
    if file.exists() and file.stat().st_size:
        return ()
    left = [path for ending in BESIDE if (path := file.with_name(file.name + ending)).exists()]
    return [path.rename(f"{path}.left-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}") for path in left]


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
            self._beside = {file.with_name(file.name + ending): None for ending in BESIDE}
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
