"""Passwords in files, generated if a file does not exist."""

import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from loan_api.settings import SettingsError, check_writable


def read_or_make_password(path: Path) -> str:
    """Return the password in the file at `path`; if there is no file, create it with a random password (mode 0600).

    Processes that start at the same time all get the same password. Raises OSError if the file cannot be read or
    created, SettingsError if its content is not a password.
    """
    if not path.exists():
        _make_password(path)
    try:
        password = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise SettingsError(f"{path} contains no password: the file is not UTF-8 text") from None
    if not password:
        raise SettingsError(f"{path} contains no password: the file is empty")
    return password


def check_password_file(path: Path) -> None:
    """Raise OSError or ValueError unless `read_or_make_password` can use `path`; create nothing."""
    if not path.exists():
        check_writable(path.parent)
        return
    try:
        read_or_make_password(path)
    except SettingsError as error:
        raise ValueError(f"cannot be used: {error}") from error


# For `read_settings` at the start of a command; a running service outlives these files.
START_CHECKS: Mapping[str, Callable[[Any], object]] = {
    "LOAN_HOME": check_writable,
    "METRICS_PASSWORD_FILE": check_password_file,
    "DESK_SECRET_FILE": check_password_file,
}


def _make_password(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # created with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        # Unlike a rename, a link never replaces a file that another process has created first.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()
