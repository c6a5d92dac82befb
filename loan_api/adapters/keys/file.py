"""The file of API keys: its format, and changes to it. It contains hashes, never keys."""

import fcntl
import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from loan_api.errors import LoanError
from loan_api.formats.timestamps import TIME_EXAMPLES, parse_time, utc_text
from loan_api.services.access import SCOPES, ApiKey, Scope, digest_of

# Makes leaked keys recognizable in logs, chats and commits.
PREFIX = "loan_"
_KEY_BYTES = 32
# Enough for thousands of keys. A larger file is the wrong file.
_MOST_BYTES = 2**20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MEMBERS = ("name", "scopes", "sha256", "created_at")

# Identifies one state of a file.
Stamp = tuple[int, ...]


class KeyFileError(LoanError):
    """The file of keys cannot be read or changed. The text reveals neither the file's content nor its path."""


def stamp_of(path: Path) -> Stamp:
    """Return a value that changes when the file does. Raises KeyFileError."""
    try:
        return _stamp(path.stat())
    except OSError as error:
        raise _unusable(error) from error


def read_file(path: Path) -> tuple[str, Stamp]:
    """Return the file's text and the matching stamp. Raises KeyFileError."""
    try:
        # O_NONBLOCK because opening a pipe would block.
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
    """Parse the text of a file. Raises KeyFileError with the position of the error.

    Unknown members are errors, because their author expects them to have an effect.
    """
    try:
        document = json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise KeyFileError("it is not JSON") from error
    if not isinstance(document, dict) or list(document) != ["keys"] or not isinstance(document["keys"], list):
        raise KeyFileError('it is not an object whose only member is a list of "keys"')
    keys = tuple(_parse_key(entry, f"/keys/{position}") for position, entry in enumerate(document["keys"]))
    for what, values in (("name", [key.name for key in keys]), ("key", [key.digest for key in keys])):
        if len(set(values)) < len(values):
            raise KeyFileError(f"it contains the same {what} twice")
    return keys


def format_keys(keys: Sequence[ApiKey]) -> str:
    """Return the text of a file with these keys."""
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
    """Return the keys in the file. Raises KeyFileError."""
    return parse_keys(read_file(path)[0])


def add_key(path: Path, name: str, scopes: Sequence[Scope], now: datetime) -> str:
    """Create a key, add its hash to the file (created if missing), and return the key. Raises KeyFileError."""
    check_name(name)
    key = PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    # Scopes are stored once each, in the declared order.
    created = ApiKey(name, tuple(scope for scope in SCOPES if scope in scopes), digest_of(key), now)

    def added(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        if any(other.name == name for other in keys):
            raise KeyFileError(f"a key named {name} already exists; remove it first, or choose another name")
        return (*keys, created)

    _change(path, added, may_create=True)
    return key


def remove_key(path: Path, name: str) -> None:
    """Remove a key from the file. Raises KeyFileError, also if there is no such key."""

    def without(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        kept = tuple(key for key in keys if key.name != name)
        if len(kept) == len(keys):
            raise KeyFileError("it contains no key with this name")
        return kept

    _change(path, without, may_create=False)


def check_name(name: str) -> None:
    """Raise KeyFileError unless the name is valid."""
    if not _NAME.fullmatch(name):
        raise KeyFileError(
            "a name consists of 1 to 64 letters, digits, dots, hyphens and underscores, starting with a letter or digit"
        )


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


def _change(path: Path, change: Callable[[tuple[ApiKey, ...]], tuple[ApiKey, ...]], *, may_create: bool) -> None:
    try:
        # Replace the target of a symbolic link, not the link.
        path = path.resolve()
        if may_create:
            path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.parent) as folder:
            if may_create and not path.exists():
                replace_file(path, format_keys(change(())))
            else:
                keys = change(read_keys(path))
                status = path.stat()
                # Keep owner and mode, so that the service can still read it.
                mode = stat.S_IMODE(status.st_mode)
                replace_file(path, format_keys(keys), mode, (status.st_uid, status.st_gid))
            os.fsync(folder)
    except OSError as error:
        raise _unusable(error) from error


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """Lock the folder. A lock on the file would vanish when the file is replaced."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _each_once(members: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
    document = dict(members)
    if len(document) < len(members):
        raise KeyFileError("one of its objects contains a member twice")
    return document


def _parse_key(entry: object, where: str) -> ApiKey:
    if not isinstance(entry, dict) or set(entry) != set(_MEMBERS):
        raise KeyFileError(f"{where} is not an object with exactly {', '.join(_MEMBERS)}")
    members: Mapping[str, Any] = entry
    name, scopes, digest = members["name"], members["scopes"], members["sha256"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise KeyFileError(f"{where}/name is not a valid name")
    if not isinstance(scopes, list) or not scopes or any(scope not in SCOPES for scope in scopes):
        raise KeyFileError(f"{where}/scopes is not a non-empty list of {', '.join(SCOPES)}")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise KeyFileError(f"{where}/sha256 is not 64 lowercase hexadecimal digits")
    created_at = parse_time(members["created_at"]) if isinstance(members["created_at"], str) else None
    if created_at is None:
        raise KeyFileError(f"{where}/created_at is not {TIME_EXAMPLES}")
    return ApiKey(name, tuple(cast(list[Scope], scopes)), bytes.fromhex(digest), created_at)


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _unusable(error: OSError) -> KeyFileError:
    reasons: Mapping[type[OSError], str] = {
        FileNotFoundError: "it does not exist",
        PermissionError: "permission is denied",
    }
    return KeyFileError(reasons.get(type(error), error.strerror or type(error).__name__))
