"""The file of API keys: its form, and how keys are added and removed. It holds hashes, never keys."""

import fcntl
import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from loan_api.errors import LoanError
from loan_api.formats.timestamps import utc_text
from loan_api.services.access import SCOPES, ApiKey, Scope, digest_of

# So that a key is recognised where it should not be: in a log, a chat, a commit.
PREFIX = "loan_"
_KEY_BYTES = 32
# Some thousand keys; what is larger is another file.
_MOST_BYTES = 2**20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MEMBERS = ("name", "scopes", "sha256", "created_at")

# Tells one state of a file from the next.
Stamp = tuple[int, ...]


class KeyFileError(LoanError):
    """The file of keys cannot be used or changed as asked. The text quotes nothing of the file, nor where it lies."""


def stamp_of(path: Path) -> Stamp:
    """Changes when the file does. Raises KeyFileError where there is none."""
    try:
        return _stamp(path.stat())
    except OSError as error:
        raise _unusable(error) from error


def read_file(path: Path) -> tuple[str, Stamp]:
    """The file's text and the stamp that belongs to it. Raises KeyFileError."""
    try:
        # Not to wait for ever, should it be a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise KeyFileError("it is not a regular file")
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(_MOST_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unusable(error) from error
    if len(content) > _MOST_BYTES:
        raise KeyFileError(f"it is larger than {_MOST_BYTES} bytes")
    try:
        return content.decode("utf-8"), _stamp(status)
    except UnicodeDecodeError as error:
        raise KeyFileError("it is not UTF-8") from error


def parse_keys(text: str) -> tuple[ApiKey, ...]:
    """The keys in the text of a file. Raises KeyFileError, saying where it is wrong.

    Members that are not known are refused: whoever wrote them expects them to have an effect.
    """
    try:
        document = json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise KeyFileError("it is not JSON") from error
    if not isinstance(document, dict) or list(document) != ["keys"] or not isinstance(document["keys"], list):
        raise KeyFileError('it is not an object with nothing but a list of "keys"')
    keys = tuple(_parse_key(entry, f"/keys/{position}") for position, entry in enumerate(document["keys"]))
    for what, values in (("name", [key.name for key in keys]), ("key", [key.digest for key in keys])):
        if len(set(values)) < len(values):
            raise KeyFileError(f"the same {what} is there twice")
    return keys


def format_keys(keys: Sequence[ApiKey]) -> str:
    """The text of a file with these keys."""
    entries = [
        {
            "name": key.name,
            "scopes": list(key.scopes),
            "sha256": key.digest.hex(),
            "created_at": utc_text(key.created_at),
        }
        for key in keys
    ]
    return json.dumps({"keys": entries}, indent=2) + "\n"


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """The keys in the file. Raises KeyFileError."""
    return parse_keys(read_file(path)[0])


def add_key(path: Path, name: str, scopes: Sequence[Scope], now: datetime) -> str:
    """Makes a key and returns it; the file, made where there is none, gets its hash. Raises KeyFileError."""
    check_name(name)
    key = PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    # Each once, in declared order, however they were given.
    made = ApiKey(name, tuple(scope for scope in SCOPES if scope in scopes), digest_of(key), now)

    def added(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        if any(other.name == name for other in keys):
            raise KeyFileError(f"there is a key named {name} already; remove it first, or take another name")
        return (*keys, made)

    _change(path, added, may_make=True)
    return key


def remove_key(path: Path, name: str) -> None:
    """Takes a key out of the file. Raises KeyFileError where there is none of that name."""

    def without(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        kept = tuple(key for key in keys if key.name != name)
        if len(kept) == len(keys):
            raise KeyFileError("there is no key of that name")
        return kept

    _change(path, without, may_make=False)


def check_name(name: str) -> None:
    """Raises KeyFileError unless a key may be called so."""
    if not _NAME.fullmatch(name):
        raise KeyFileError(
            "a name has 1 to 64 letters, digits, dots, hyphens and underscores, and begins with a letter or digit"
        )


def replace_file(path: Path, text: str, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Writes the file as a whole: whoever reads it, and whenever, finds the old text or the new. Raises OSError."""
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


def _change(path: Path, change: Callable[[tuple[ApiKey, ...]], tuple[ApiKey, ...]], *, may_make: bool) -> None:
    try:
        # Through a link, to where the keys really are.
        path = path.resolve()
        if may_make:
            path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.parent) as folder:
            if may_make and not path.exists():
                replace_file(path, format_keys(change(())))
            else:
                keys = change(read_keys(path))
                status = path.stat()
                # Whoever could read it before, the service among them, still can.
                mode = stat.S_IMODE(status.st_mode)
                replace_file(path, format_keys(keys), mode, (status.st_uid, status.st_gid))
            os.fsync(folder)
    except OSError as error:
        raise _unusable(error) from error


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """Holds the folder's lock; the file's own would go away with the file that is replaced."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _each_once(members: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
    document = dict(members)
    if len(document) < len(members):
        raise KeyFileError("a member is there twice in one of its objects")
    return document


def _parse_key(entry: object, where: str) -> ApiKey:
    if not isinstance(entry, dict) or set(entry) != set(_MEMBERS):
        raise KeyFileError(f"{where} is not an object with {', '.join(_MEMBERS)} and nothing else")
    members: Mapping[str, Any] = entry
    name, scopes, digest = members["name"], members["scopes"], members["sha256"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise KeyFileError(f"{where}/name is none that a key may have")
    if not isinstance(scopes, list) or not scopes or any(scope not in SCOPES for scope in scopes):
        raise KeyFileError(f"{where}/scopes is not a list of {', '.join(SCOPES)}")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise KeyFileError(f"{where}/sha256 is not 64 hexadecimal digits in lower case")
    created_at = _parse_time(members["created_at"], f"{where}/created_at")
    return ApiKey(name, tuple(cast(list[Scope], scopes)), bytes.fromhex(digest), created_at)


def _parse_time(raw: object, where: str) -> datetime:
    try:
        if isinstance(raw, str) and (moment := datetime.fromisoformat(raw)).tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise KeyFileError(f"{where} is not a time with its zone, such as 2024-03-13T10:30:00Z")


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _unusable(error: OSError) -> KeyFileError:
    reasons: Mapping[type[OSError], str] = {
        FileNotFoundError: "it does not exist",
        PermissionError: "there is no permission",
    }
    return KeyFileError(reasons.get(type(error), error.strerror or type(error).__name__))
