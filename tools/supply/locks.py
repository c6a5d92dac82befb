"""The locks in requirements/, as they are read."""

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

from loan_api.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "requirements"
# Every other lock keeps to the versions of this one, and has nothing that is not in it.
WIDEST = FOLDER / "dev.txt"
_LINE = re.compile(r"(?P<requirement>[A-Za-z0-9][^\\\n]*==[^\\\n]*)")


def requirements(lock: Path) -> Iterator[Requirement]:
    """Each line of the lock without its hashes. A package has several where platforms differ."""
    for line in lock.read_text(encoding="utf-8").splitlines():
        if found := _LINE.match(line):
            yield Requirement(found["requirement"].strip())


def packages(lock: Path) -> set[str]:
    """Return the names of all packages in the lock, for any platform."""
    return {requirement.name for requirement in requirements(lock)}
