"""Parser for the locks in requirements/."""

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

from loan_api.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "requirements"
# Every other lock is a subset of this one, with the same versions.
WIDEST = FOLDER / "dev.txt"
_LINE = re.compile(r"(?P<requirement>[A-Za-z0-9][^\\\n]*==[^\\\n]*)")


def requirements(lock: Path) -> Iterator[Requirement]:
    """Yield each requirement without its hashes. A package may have several, for different platforms."""
    for line in lock.read_text(encoding="utf-8").splitlines():
        if found := _LINE.match(line):
            yield Requirement(found["requirement"].strip())


def packages(lock: Path) -> set[str]:
    """Return the names of all packages in the lock, for any platform."""
    return {requirement.name for requirement in requirements(lock)}
