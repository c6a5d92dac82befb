"""Where the workers of one server keep the keys in force, for workers that come after them.

Standard library only: gunicorn's master uses it, and must not import what workers have to patch after the fork.
"""

import os
from pathlib import Path

# Handed from the master to the workers.
VARIABLE = "LOAN_KEPT_KEYS"


def forget_kept_keys(file: Path) -> None:
    """To be called by a server that has just started: it begins with what the operator's file says, or not at all."""
    file.unlink(missing_ok=True)
    os.environ[VARIABLE] = str(file)


def kept_keys() -> Path | None:
    """The file where this server's workers keep them; None outside gunicorn."""
    file = os.environ.get(VARIABLE)
    return Path(file) if file else None
