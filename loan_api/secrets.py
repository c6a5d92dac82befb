"""Secrets that the service makes for itself."""

import os
import secrets
from pathlib import Path


def read_or_make_password(path: Path) -> str:
    """The password in the file at `path`; a random one, readable by its owner only, where there is no file yet.

    Several processes may start at once: all get the same password. Raises OSError where the file cannot be read.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        try:
            # A link, unlike a rename, never replaces what another process was first to make.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="utf-8").strip()
