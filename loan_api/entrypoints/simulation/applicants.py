"""Applicants drawn at random from the data set."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from loan_api.credit.features import CATEGORIES, FEATURE_NAMES

_LABEL = "loan_status"
_GOOD = "Approved"
_CATEGORY_NAMES = frozenset(category.name for category in CATEGORIES)


@dataclass(frozen=True)
class Applicant:
    """An application and its outcome (1 good, 0 bad)."""

    application: dict[str, Any]
    outcome: int


class Applicants:
    """A source of applicants, drawn with replacement, so that they follow the distribution of the data."""

    def __init__(self, applicants: Sequence[Applicant], random: Random) -> None:
        self._applicants = applicants
        self._random = random

    @classmethod
    def read(cls, file: Path, random: Random) -> "Applicants":
        """Read applicants from a CSV like that of training. Raises ValueError if it lacks columns or rows."""
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = [
                {str(name).strip(): str(cell).strip() for name, cell in row.items()} for row in csv.DictReader(opened)
            ]
        missing = [name for name in (*FEATURE_NAMES, _LABEL) if not rows or name not in rows[0]]
        if missing:
            raise ValueError(f"{file.name} lacks rows with {', '.join(missing)}")
        return cls([_applicant(row) for row in rows], random)

    def draw(self) -> Applicant:
        """Draw one applicant."""
        return self._random.choice(self._applicants)


def _applicant(row: dict[str, str]) -> Applicant:
    values = {name: row[name] if name in _CATEGORY_NAMES else _number(row[name]) for name in FEATURE_NAMES}
    return Applicant(values, int(row[_LABEL] == _GOOD))


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number
