"""The journal: a local file of bounded size that keeps records while the database is unavailable.

An entry consists of its length, a checksum and its bytes, which are records as they were sent. Unreadable bytes are
skipped: either a kill cut an entry short before it was acknowledged, or the file was damaged later, so it is kept.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from loan_api.adapters.recording.protocol import BEGINNING, BEGINNING_BYTES
from loan_api.errors import NotRecordedError

_HEAD = struct.Struct("!II")
_BLOCK_BYTES = 2**20
_MOST_JOURNALS = 1000


class JournalFullError(NotRecordedError):
    """The journal has reached its capacity, or the disk is full."""


class JournalInUseError(Exception):
    """Another process uses the journal."""


class Journal:
    """The journal in one file, locked for this process. Raises JournalInUseError or OSError.

    Its space is allocated upfront, if the file system supports it, so that a full disk does not shorten it.
    """

    def __init__(self, path: Path, capacity: int, sync: Callable[[int], object] = os.fdatasync) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._capacity = capacity
        self._sync = sync
        self._file = _locked(path)
        # Unreadable bytes: their end by their start.
        self._gaps: dict[int, int] = {}
        self.end = self._find_end()
        self._allocate()

    @property
    def is_empty(self) -> bool:
        """Return whether the journal has no entries."""
        return self.end == 0

    @property
    def start(self) -> int:
        """Return the position of the first entry, or the end if none is readable."""
        return self._gaps.get(0, 0)

    @property
    def unreadable_bytes(self) -> int:
        """Return how many unreadable bytes lay between or after the entries when the file was opened."""
        return sum(end - start for start, end in self._gaps.items())

    def append(self, entries: list[bytes]) -> None:
        """Return once the entries are on disk. Raises JournalFullError, in which case none was added."""
        content = b"".join(_HEAD.pack(len(entry), zlib.crc32(entry)) + entry for entry in entries)
        if self.end + len(content) > self._capacity:
            raise JournalFullError("The database is unavailable, and the journal that replaces it is full.")
        written = 0
        try:
            while written < len(content):
                written += os.pwrite(self._file, memoryview(content)[written:], self.end + written)
            self._sync(self._file)
        except OSError as error:
            # Remove partial entries, which a later reader must not find.
            with suppress(OSError):
                os.pwrite(self._file, bytes(written), self.end)
            raise JournalFullError("The database is unavailable, and the disk is too full for the journal.") from error
        self.end += len(content)

    def read(self, start: int) -> Iterator[tuple[bytes, int]]:
        """Iterate over the entries from position `start`, each with the position of the next, or the end."""
        start = self._gaps.get(start, start)
        while start < self.end:
            entry = self._entry(start)
            if entry is None:
                return
            start += _HEAD.size + len(entry)
            start = self._gaps.get(start, start)
            yield entry, start

    def clear(self) -> Path | None:
        """Delete all entries. Quarantine a damaged file instead, and return its new path."""
        quarantined = self._quarantine() if self._gaps else None
        os.ftruncate(self._file, 0)
        self._allocate()
        os.fsync(self._file)
        self.end = 0
        return quarantined

    def close(self) -> None:
        """Release the file; remove it if it is empty."""
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
        """Return the position after the last byte written, and note unreadable bytes on the way."""
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
        """Return the position of the next readable entry, or `end`."""
        for block in range(after + _HEAD.size, end, _BLOCK_BYTES):
            content = os.pread(self._file, _BLOCK_BYTES + BEGINNING_BYTES, block)
            for found in BEGINNING.finditer(content):
                start = block + found.start() - _HEAD.size
                if self._entry(start) is not None:
                    return start
        return end

    def _written_until(self, start: int) -> int:
        """Return the position after the last non-zero byte from `start`."""
        until = start
        with suppress(OSError):
            # lseek fails once only allocated space follows.
            while True:
                start = os.lseek(self._file, start, os.SEEK_DATA)
                stop = os.lseek(self._file, start, os.SEEK_HOLE)
                for block in range(start, stop, _BLOCK_BYTES):
                    content = os.pread(self._file, _BLOCK_BYTES, block).rstrip(b"\0")
                    until = block + len(content) if content else until
                start = stop
        return until

    def _quarantine(self) -> Path:
        """Rename the file and start a new one."""
        new = self.path.with_name(f"{self.path.name}.new")
        quarantined = self.path.with_name(f"{self.path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
        file = _locked(new)
        # The path must never be free: another process would create it.
        quarantined.hardlink_to(self.path)
        new.replace(self.path)
        os.close(self._file)
        self._file = file
        self._gaps = {}
        return quarantined

    def _allocate(self) -> None:
        with suppress(OSError):
            os.posix_fallocate(self._file, 0, self._capacity)


def free_journal(folder: Path, capacity: int) -> Journal:
    """Lock and return the first journal in the folder that no other service uses. Raises OSError."""
    for number in range(_MOST_JOURNALS):
        with suppress(JournalInUseError):
            return Journal(folder / f"{number}.journal", capacity)
    raise OSError(f"all of {_MOST_JOURNALS} journals in {folder} are in use")


def abandoned_journals(folder: Path, capacity: int) -> list[Journal]:
    """Lock and return the journals whose service has died and left entries. Raises OSError."""
    journals = []
    for path in sorted(folder.glob("*.journal")):
        with suppress(JournalInUseError):
            journal = Journal(path, capacity)
            if journal.is_empty:
                journal.close()
            else:
                journals.append(journal)
    return journals


def waiting_journals(folder: Path) -> list[Path]:
    """Return the journals in the folder that hold entries, whichever service uses them."""
    return sorted(path for path in folder.glob("*.journal") if _holds_something(path))


def _holds_something(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return any(file.read(_HEAD.size))
    return False


def _locked(path: Path) -> int:
    """Open and lock the file, which only its owner may read, even if it was restored from a backup."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(file, 0o600)
        # Its previous user may have removed or replaced it in the meantime.
        is_current = os.path.samestat(path.stat(), os.fstat(file))
    except (BlockingIOError, FileNotFoundError):
        is_current = False
    except OSError:
        os.close(file)
        raise
    if not is_current:
        os.close(file)
        raise JournalInUseError(str(path))
    return file
