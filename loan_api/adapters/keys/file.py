"""The file of API keys: its format, and changes to it. It contains hashes, never keys."""

import fcntl
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from loan_api.adapters.files.text_file import UnusableFileError, read_file, replace_file, unusable
from loan_api.formats.timestamps import TIME_EXAMPLES, parse_time, utc_text
from loan_api.services.access import SCOPES, ApiKey, Scope, digest_of

# Makes leaked keys recognisable in logs, chats and commits.
PREFIX = "loan_"
_KEY_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MEMBERS = ("name", "scopes", "sha256", "created_at")


def parse_keys(text: str) -> tuple[ApiKey, ...]:
    """Parse the text of a file. Raises UnusableFileError with the position of the error.

    Unknown members are errors, because their author expects them to have an effect.
    """
    try:
        document = json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise UnusableFileError("it is not JSON") from error
    if not isinstance(document, dict) or list(document) != ["keys"] or not isinstance(document["keys"], list):
        raise UnusableFileError('it is not an object whose only member is a list of "keys"')
    keys = tuple(_parse_key(entry, f"/keys/{position}") for position, entry in enumerate(document["keys"]))
    for what, values in (("name", [key.name for key in keys]), ("key", [key.digest for key in keys])):
        if len(set(values)) < len(values):
            raise UnusableFileError(f"it contains the same {what} twice")
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
    """Return the keys in the file. Raises UnusableFileError."""
    return parse_keys(read_file(path)[0])


def add_key(path: Path, name: str, scopes: Sequence[Scope], now: datetime) -> str:
    """Create a key, add its hash to the file (created if missing), and return the key. Raises UnusableFileError."""
    check_name(name)
    key = PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    # Scopes are stored once each, in the declared order.
    created = ApiKey(name, tuple(scope for scope in SCOPES if scope in scopes), digest_of(key), now)

    def added(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        if any(other.name == name for other in keys):
            raise UnusableFileError(f"a key named {name} already exists; remove it first, or choose another name")
        return (*keys, created)

    _change(path, added, may_create=True)
    return key


def remove_key(path: Path, name: str) -> None:
    """Remove a key from the file. Raises UnusableFileError, or if there is no such key."""

    def without(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        kept = tuple(key for key in keys if key.name != name)
        if len(kept) == len(keys):
            raise UnusableFileError("it contains no key with this name")
        return kept

    _change(path, without, may_create=False)


def check_name(name: str) -> None:
    """Raise UnusableFileError unless the name is valid."""
    if not _NAME.fullmatch(name):
        raise UnusableFileError(
            "a name consists of 1 to 64 letters, digits, dots, hyphens and underscores, starting with a letter or digit"
        )


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
        raise unusable(error) from error


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
        raise UnusableFileError("one of its objects contains a member twice")
    return document


def _parse_key(entry: object, where: str) -> ApiKey:
    if not isinstance(entry, dict) or set(entry) != set(_MEMBERS):
        raise UnusableFileError(f"{where} is not an object with exactly {', '.join(_MEMBERS)}")
    members: Mapping[str, Any] = entry
    name, scopes, digest = members["name"], members["scopes"], members["sha256"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UnusableFileError(f"{where}/name is not a valid name")
    if not isinstance(scopes, list) or not scopes or any(scope not in SCOPES for scope in scopes):
        raise UnusableFileError(f"{where}/scopes is not a non-empty list of {', '.join(SCOPES)}")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise UnusableFileError(f"{where}/sha256 is not 64 lowercase hexadecimal digits")
    created_at = parse_time(members["created_at"]) if isinstance(members["created_at"], str) else None
    if created_at is None:
        raise UnusableFileError(f"{where}/created_at is not {TIME_EXAMPLES}")
    return ApiKey(name, tuple(cast(list[Scope], scopes)), bytes.fromhex(digest), created_at)
