"""Applicants drawn at random from the data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from loan_api.credit.features import FEATURE_NAMES, NUMBERS
from loan_api.formats.csv_text import other_separator, read_csv

_LABEL = "loan_status"
_GOOD = "Approved"


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
        """Read applicants from a CSV like that of training. Raises ValueError, with the line, if it is not one."""
        try:
            return cls(_applicants(file.read_bytes()), random)
        except ValueError as error:
            raise ValueError(f"{file.name}: {error}") from error

    def draw(self) -> Applicant:
        """Draw one applicant."""
        return self._random.choice(self._applicants)


def _applicants(content: bytes) -> list[Applicant]:
    numbered = read_csv(content)
    header = [name.strip() for name in next(numbered, (1, []))[1]]
    if separator := other_separator(header, FEATURE_NAMES):
        raise ValueError(f"The cells are separated by {separator}. Separate them by commas.")
    missing = [name for name in (*FEATURE_NAMES, _LABEL) if name not in header]
    if missing:
        raise ValueError(f"The header lacks {', '.join(missing)}.")
    applicants = [_applicant(line, dict(zip(header, row, strict=False))) for line, row in numbered]
    if not applicants:
        raise ValueError("There are no applicants.")
    return applicants


def _applicant(line: int, cells: Mapping[str, str]) -> Applicant:
    try:
        application: dict[str, Any] = {name: cells[name].strip() for name in FEATURE_NAMES}
        application |= {number.name: _number(application[number.name]) for number in NUMBERS}
        return Applicant(application, int(cells[_LABEL].strip() == _GOOD))
    except KeyError:
        raise ValueError(f"Line {line} has fewer cells than the header.") from None
    except ValueError:
        raise ValueError(f"Line {line} contains a text instead of a number.") from None


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number
