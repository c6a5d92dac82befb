"""Secrets that the service makes for itself."""

import os
import secrets
import tempfile
from pathlib import Path

from loan_api.settings import SettingsError


def read_or_make_password(path: Path) -> str:
    """The password in the file at `path`; a random one, readable by its owner only, where there is no file yet.

    Several processes may start at once: all get the same password. Raises OSError where the file cannot be read or
    made, SettingsError where it is empty.
    """
    if not path.exists():
        _make_password(path)
    password = path.read_text(encoding="utf-8").strip()
    if not password:
        raise SettingsError(f"there is no password in {path}: the file is empty")
    return password


def _make_password(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        # A link, unlike a rename, never replaces what another process was first to make.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()
