"""Text files that people edit: reading, noticing changes, and replacing them atomically."""

import os
import stat
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from loan_api.errors import LoanError

# Enough for thousands of keys. A larger file is the wrong file.
_MOST_BYTES = 2**20

# Identifies one state of a file.
Stamp = tuple[int, ...]


class UnusableFileError(LoanError):
    """A file cannot be read, changed or understood. The text reveals neither the file's content nor its path.

    `problems` are for the file's owner.
    """

    def __init__(self, text: str, problems: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.problems = tuple(problems) or (text,)


def stamp_of(path: Path) -> Stamp:
    """Return a value that changes when the file does. Raises UnusableFileError."""
    try:
        return _stamp(path.stat())
    except OSError as error:
        raise unusable(error) from error


def read_file(path: Path) -> tuple[str, Stamp]:
    """Return the file's text and the matching stamp. Raises UnusableFileError."""
    try:
        # O_NONBLOCK because opening a pipe would block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnusableFileError("it is not a regular file")
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(_MOST_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unusable(error) from error
    if len(content) > _MOST_BYTES:
        raise UnusableFileError(f"it is larger than {_MOST_BYTES} bytes")
    try:
        return content.decode("utf-8"), _stamp(status)
    except UnicodeDecodeError as error:
        raise UnusableFileError("it is not UTF-8") from error


def replace_file(path: Path, text: str, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Replace the file atomically: readers see either the old text or the new. Raises OSError."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            status = os.fstat(file.fileno())
            if owner is not None and owner != (status.st_uid, status.st_gid):
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def unusable(error: OSError) -> UnusableFileError:
    """Return the error for a file that the system cannot access."""
    reasons: Mapping[type[OSError], str] = {
        FileNotFoundError: "it does not exist",
        PermissionError: "permission is denied",
    }
    return UnusableFileError(reasons.get(type(error), error.strerror or type(error).__name__))
