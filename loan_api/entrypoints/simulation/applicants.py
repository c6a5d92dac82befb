"""Applicants drawn at random from the dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from loan_api.credit.form import Form
from loan_api.formats.csv_text import other_separator, read_csv


@dataclass(frozen=True)
class Applicant:
    """An application and its outcome (1 good, 0 bad)."""

    application: dict[str, Any]
    outcome: int


class Applicants:
    """A source of applicants of a form, drawn with replacement, so that they follow the distribution of the data.

    `spreads` holds for each number the difference between its largest and smallest value in the data.
    """

    def __init__(self, form: Form, applicants: Sequence[Applicant], random: Random) -> None:
        self.form = form
        self._applicants = applicants
        self._random = random
        self.spreads = {number.name: self._spread(number.name) for number in form.numbers}

    @classmethod
    def read(cls, form: Form, file: Path, random: Random) -> "Applicants":
        """Read applicants from a CSV like that of training. Raises ValueError, with the line, if it is not one."""
        try:
            return cls(form, _applicants(form, file.read_bytes()), random)
        except ValueError as error:
            raise ValueError(f"{file.name}: {error}") from error

    def draw(self) -> Applicant:
        """Draw one applicant."""
        return self._random.choice(self._applicants)

    def _spread(self, name: str) -> float:
        values = [applicant.application[name] for applicant in self._applicants]
        known = [value for value in values if value is not None]
        return max(known) - min(known) if known else 0.0


def _applicants(form: Form, content: bytes) -> list[Applicant]:
    numbered = read_csv(content)
    header = [name.strip() for name in next(numbered, (1, []))[1]]
    if separator := other_separator(header, form.names):
        raise ValueError(f"The cells are separated by {separator}. Separate them by commas.")
    missing = [name for name in (*form.names, form.outcome.column) if name not in header]
    if missing:
        raise ValueError(f"The header lacks {', '.join(missing)}.")
    applicants = [_applicant(form, line, dict(zip(header, row, strict=False))) for line, row in numbered]
    if not applicants:
        raise ValueError("There are no applicants.")
    return applicants


def _applicant(form: Form, line: int, cells: Mapping[str, str]) -> Applicant:
    try:
        given = {
            name: None if cells[name].strip() in form.dataset.missing else cells[name].strip() for name in form.names
        }
        application: dict[str, Any] = dict(given)
        for number in form.numbers:
            text = given[number.name]
            application[number.name] = None if text is None else _number(text)
        return Applicant(application, int(cells[form.outcome.column].strip() in form.outcome.approved))
    except KeyError:
        raise ValueError(f"Line {line} has fewer cells than the header.") from None
    except ValueError:
        raise ValueError(f"Line {line} contains a text instead of a number.") from None


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number
