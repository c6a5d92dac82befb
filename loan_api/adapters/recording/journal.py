"""A local file of bounded size that takes what the database does not, until it does.

An entry is its length, a checksum and its bytes: records as they were sent. What cannot be read is passed over. Either
a kill cut it short, and it was not acknowledged, or it was damaged since; so the file is kept.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from loan_api.adapters.recording.protocol import BEGINNING, BEGINNING_BYTES
from loan_api.errors import NotRecordedError

_HEAD = struct.Struct("!II")
_BLOCK_BYTES = 2**20


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
        self._file = _locked(path)
        # Where what cannot be read begins and ends.
        self._gaps: dict[int, int] = {}
        self.end = self._find_end()
        self._claim()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return self.end == 0

    @property
    def start(self) -> int:
        """Where the first entry is; the end where none can be read."""
        return self._gaps.get(0, 0)

    @property
    def unreadable_bytes(self) -> int:
        """How much lay between the entries, or behind them, when it was opened."""
        return sum(end - start for start, end in self._gaps.items())

    def append(self, entries: list[bytes]) -> None:
        """Returns once the entries are on the disk. Raises JournalFullError, and then none of them counts."""
        content = b"".join(_HEAD.pack(len(entry), zlib.crc32(entry)) + entry for entry in entries)
        if self.end + len(content) > self._capacity:
            raise JournalFullError("The database is away, and the journal that stands in for it is full.")
        written = 0
        try:
            while written < len(content):
                written += os.pwrite(self._file, memoryview(content)[written:], self.end + written)
            os.fdatasync(self._file)
        except OSError as error:
            # Nobody may find them there later.
            with suppress(OSError):
                os.pwrite(self._file, bytes(written), self.end)
            raise JournalFullError("The database is away, and the disk takes no more for it.") from error
        self.end += len(content)

    def read(self, start: int) -> Iterator[tuple[bytes, int]]:
        """The entries from position `start` on, each with the position of the next, or the end."""
        start = self._gaps.get(start, start)
        while start < self.end:
            entry = self._entry(start)
            if entry is None:
                return
            start += _HEAD.size + len(entry)
            start = self._gaps.get(start, start)
            yield entry, start

    def clear(self) -> Path | None:
        """Forgets all entries. A damaged file is set aside for that; returns where."""
        aside = self._set_aside() if self._gaps else None
        os.ftruncate(self._file, 0)
        self._claim()
        os.fsync(self._file)
        self.end = 0
        return aside

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
        if not 0 < length <= os.fstat(self._file).st_size - start - _HEAD.size:
            return None
        entry = os.pread(self._file, length, start + _HEAD.size)
        return entry if len(entry) == length and zlib.crc32(entry) == checksum else None

    def _find_end(self) -> int:
        """Behind the last entry and whatever else is there; notes what cannot be read."""
        position = written = 0
        while True:
            entry = self._entry(position)
            if entry is not None:
                position += _HEAD.size + len(entry)
                continue
            written = written or self._written_until(position)
            if position >= written:
                return position
            self._gaps[position] = position = self._next_entry(position, written)

    def _next_entry(self, after: int, end: int) -> int:
        """Where the next entry begins that can be read, or `end`."""
        for block in range(after + _HEAD.size, end, _BLOCK_BYTES):
            content = os.pread(self._file, _BLOCK_BYTES + BEGINNING_BYTES, block)
            for found in BEGINNING.finditer(content):
                start = block + found.start() - _HEAD.size
                if self._entry(start) is not None:
                    return start
        return end

    def _written_until(self, start: int) -> int:
        """Behind the last byte from `start` on that is not zero."""
        until = start
        with suppress(OSError):
            # Until nothing but claimed space follows.
            while True:
                start = os.lseek(self._file, start, os.SEEK_DATA)
                stop = os.lseek(self._file, start, os.SEEK_HOLE)
                for block in range(start, stop, _BLOCK_BYTES):
                    content = os.pread(self._file, _BLOCK_BYTES, block).rstrip(b"\0")
                    until = block + len(content) if content else until
                start = stop
        return until

    def _set_aside(self) -> Path:
        """Gives the file another name, and begins a new one."""
        new = self.path.with_name(f"{self.path.name}.new")
        aside = self.path.with_name(f"{self.path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
        file = _locked(new)
        self.path.rename(aside)
        new.rename(self.path)
        os.close(self._file)
        self._file = file
        self._gaps = {}
        return aside

    def _claim(self) -> None:
        with suppress(OSError):
            os.posix_fallocate(self._file, 0, self._capacity)


def waiting_journals(folder: Path) -> list[Path]:
    """Those in the folder that hold something for the database, whoever has them."""
    return sorted(path for path in folder.glob("*.journal") if _holds_something(path))


def _holds_something(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return any(file.read(_HEAD.size))
    return False


def _locked(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        raise JournalInUseError(str(path)) from error
    return file
