"""A local file of bounded size that takes what the database does not, until it does.

An entry is its length, a checksum and its bytes. What a kill cut short was not acknowledged, and is not read back.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from loan_api.credit.errors import NotRecordedError

_HEAD = struct.Struct("!II")


class JournalFullError(NotRecordedError):
    """The journal holds as much as it may, or the disk takes no more."""


class JournalInUseError(Exception):
    """Another process has the journal."""


class Journal:
    """The journal in one file, locked for this process. Raises JournalInUseError or OSError.

    Its space is claimed from the start, where the file system can do so: a full disk must not find the journal short.
    """

    def __init__(self, path: Path, capacity: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._capacity = capacity
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise JournalInUseError(str(path)) from error
        self.end = self._find_end()
        self._claim()

    @property
    def is_empty(self) -> bool:
        """Whether there is no entry."""
        return self.end == 0

    def append(self, entries: list[bytes]) -> None:
        """Returns once the entries are on the disk. Raises JournalFullError, and then none of them counts."""
        content = b"".join(_HEAD.pack(len(entry), zlib.crc32(entry)) + entry for entry in entries)
        if self.end + len(content) > self._capacity:
            raise JournalFullError("The database is away, and the journal that stands in for it is full.")
        try:
            written = 0
            while written < len(content):
                written += os.pwrite(self._file, memoryview(content)[written:], self.end + written)
            os.fdatasync(self._file)
        except OSError as error:
            # Nothing after the end is read back; the next entries overwrite it.
            with suppress(OSError):
                os.pwrite(self._file, b"\0" * _HEAD.size, self.end)
            raise JournalFullError("The database is away, and the disk takes no more for it.") from error
        self.end += len(content)

    def read(self, start: int) -> Iterator[tuple[bytes, int]]:
        """The entries from position `start` on, each with the position after it."""
        while start < self.end:
            entry = self._entry(start)
            if entry is None:
                return
            start += _HEAD.size + len(entry)
            yield entry, start

    def clear(self) -> None:
        """Forgets all entries."""
        os.ftruncate(self._file, 0)
        self._claim()
        os.fsync(self._file)
        self.end = 0

    def close(self) -> None:
        """Gives the file back; an empty one is removed."""
        if self.is_empty:
            self.path.unlink(missing_ok=True)
        os.close(self._file)

    def _entry(self, start: int) -> bytes | None:
        head = os.pread(self._file, _HEAD.size, start)
        if len(head) < _HEAD.size:
            return None
        length, checksum = _HEAD.unpack(head)
        entry = os.pread(self._file, length, start + _HEAD.size)
        return entry if length and len(entry) == length and zlib.crc32(entry) == checksum else None

    def _find_end(self) -> int:
        end = 0
        while (entry := self._entry(end)) is not None:
            end += _HEAD.size + len(entry)
        return end

    def _claim(self) -> None:
        with suppress(OSError):
            os.posix_fallocate(self._file, 0, self._capacity)
