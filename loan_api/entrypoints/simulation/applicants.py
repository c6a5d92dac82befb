"""Applicants drawn at random from the data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from loan_api.credit.form import Form
from loan_api.formats.csv_text import read_csv


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
        """Read applicants from a CSV like that of training. Raises ValueError if it lacks columns or rows."""
        rows = [[cell.strip() for cell in row] for _, row in read_csv(file.read_bytes())]
        header, *content = rows or [[]]
        columns = (*form.names, form.outcome.column)
        missing = [name for name in columns if name not in header or not content]
        if missing:
            raise ValueError(f"{file.name} lacks rows with {', '.join(missing)}")
        cells = [dict(zip(header, row, strict=False)) for row in content]
        return cls(form, [_applicant(form, row) for row in cells], random)

    def draw(self) -> Applicant:
        """Draw one applicant."""
        return self._random.choice(self._applicants)

    def _spread(self, name: str) -> float:
        values = [applicant.application[name] for applicant in self._applicants]
        known = [value for value in values if value is not None]
        return max(known) - min(known) if known else 0.0


def _applicant(form: Form, row: Mapping[str, str]) -> Applicant:
    numbers = {number.name for number in form.numbers}
    values = {
        name: None if row[name] in form.dataset.missing else _number(row[name]) if name in numbers else row[name]
        for name in form.names
    }
    return Applicant(values, int(row[form.outcome.column] in form.outcome.approved))


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number
