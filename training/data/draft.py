"""A draft of an application form, proposed from a dataset for editing."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from loan_api.credit.form import MOST_VALUES
from loan_api.formats.csv_text import MalformedCsvError, read_csv
from training.data.dataset import normalised
from training.errors import DatasetError

# Texts that many files use for missing values.
_MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?", "-")
# A number with at most this many distinct values may be a code.
_FEW_VALUES = 10
_MOSTLY = 0.95
_REVEALING = 0.999
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}")


@dataclass(frozen=True)
class _Column:
    """A column of the file: its name, the feature's name, and its cells, NaN if missing."""

    name: str
    feature: str
    cells: pd.Series
    numbers: pd.Series

    @property
    def is_number(self) -> bool:
        return bool(self.numbers[self.cells.notna()].notna().all())


def draft_form(path: Path, outcome: str, approved: str, rejected: str) -> str:
    """Return the text of a form for the CSV at `path`, with comments on everything doubtful.

    Raises DatasetError if the file cannot be read or has no such outcome.
    """
    table = _read(path)
    if outcome not in table:
        raise DatasetError(f"{path}: there is no column {outcome}; the columns are {', '.join(table.columns)}")
    found = set(table[outcome].unique())
    for value in (approved, rejected):
        if value not in found:
            raise DatasetError(f"{path}: column {outcome} has no value {value!r}; it has {', '.join(sorted(found))}")
    labels = table[outcome].map({approved: 1, rejected: 0})
    missing = sorted({text for text in _MISSING if (table.drop(columns=outcome) == text).any(axis=None)} | {""})
    cells = table.where(~table.isin(missing))
    columns = [_column(name, cells[name]) for name in table.columns if name != outcome]
    identifier = next((c for c in columns if _is_identifier(c)), None)
    ignored = [c for c in columns if c is not identifier and _reason_to_ignore(c, labels) is not None]
    name = normalised(path.stem).lower() or "form"
    lines = [
        f"# A draft for {path.name}. Check every line; `python -m training form check FILE` reports errors.",
        "[form]",
        f"name = {_quoted(name)}",
        f"title = {_quoted(name.replace('_', ' ').capitalize())}",
        "",
        "[outcome]",
        f"column = {_quoted(outcome)}",
        f"approved = {_quoted(approved)}",
        f"rejected = {_quoted(rejected)}",
        "",
        "[dataset]",
    ]
    if identifier is not None:
        lines.append(f"identifier = {_quoted(identifier.name)}  # every value is different")
    lines += [f"# {column.name}: {_reason_to_ignore(column, labels)}" for column in ignored]
    lines.append(f"ignored = [{', '.join(_quoted(column.name) for column in ignored)}]")
    lines.append(f"missing = [{', '.join(map(_quoted, missing))}]")
    for column in columns:
        if column is not identifier and column not in ignored:
            lines += ["", *_feature(column, labels)]
    return "\n".join(lines) + "\n"


def _read(path: Path) -> pd.DataFrame:
    try:
        rows = [[cell.strip() for cell in row] for _, row in read_csv(path.read_bytes())]
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    except MalformedCsvError as error:
        raise DatasetError(f"{path}: row {error.line}: {error.problem.rstrip('.')}") from error
    header, *content = rows or [[]]
    content = [row for row in content if any(row)]
    wrong = [place for place, row in enumerate(content, start=2) if len(row) != len(header)]
    if not content or wrong:
        problem = f"row {wrong[0]} has not {len(header)} values" if wrong else "there are no applications in the file"
        raise DatasetError(f"{path}: {problem}")
    if len(set(header)) < len(header) or "" in header:
        raise DatasetError(f"{path}: every column needs a name of its own")
    return pd.DataFrame(content, columns=header, dtype=object)


def _column(name: str, cells: pd.Series) -> _Column:
    feature = normalised(name)
    feature = feature if feature[:1].isalpha() else f"f_{feature}".rstrip("_")
    return _Column(name, feature, cells, pd.to_numeric(cells, errors="coerce"))


def _is_identifier(column: _Column) -> bool:
    """Return whether every value is different, and a text or a whole number."""
    if column.cells.isna().any() or column.cells.nunique() < len(column.cells):
        return False
    return not column.is_number or bool((column.numbers == np.floor(column.numbers)).all() and _counts_up(column))


def _counts_up(column: _Column) -> bool:
    steps = column.numbers.sort_values().diff().dropna()
    return bool((steps == 1).mean() > _MOSTLY) or "id" in column.name.lower().split("_")


def _reason_to_ignore(column: _Column, labels: pd.Series) -> str | None:
    """Return why the model should not see the column, or None."""
    known = column.cells.dropna()
    if known.empty:
        return "is always missing"
    if known.nunique() == 1 and not column.cells.isna().any():
        return "has the same value in every application"
    if not column.is_number and known.map(lambda text: bool(_DATE.match(text))).mean() > _MOSTLY:
        return "looks like a date; derive a number from it, such as an age in years"
    if not column.is_number and known.nunique() > MOST_VALUES:
        return f"has {known.nunique()} different texts; a category may have at most {MOST_VALUES}"
    if _reveals(column, labels):
        return "alone reveals the outcome: is it known when an application is decided?"
    return None


def _reveals(column: _Column, labels: pd.Series) -> bool:
    """Return whether one split of a number, or the values of a category, tell nearly every outcome."""
    decided = labels.notna()
    outcomes = labels[decided].to_numpy(dtype=float)
    if column.is_number:
        order = np.argsort(column.numbers[decided].fillna(column.numbers.min() - 1).to_numpy(), kind="stable")
        approved = np.cumsum(outcomes[order])
        below = np.arange(1, len(order) + 1)
        right = approved + (len(order) - below - (approved[-1] - approved))
        return bool(max(right.max(), len(order) - right.min()) / len(order) > _REVEALING)
    groups = pd.Series(outcomes).groupby(column.cells[decided].fillna("").to_numpy())
    return bool(groups.agg(lambda each: max(each.sum(), len(each) - each.sum())).sum() / len(outcomes) > _REVEALING)


def _feature(column: _Column, labels: pd.Series) -> Iterator[str]:
    known = column.cells.dropna()
    yield f"[features.{column.feature}]"
    if column.is_number:
        yield from _number(column)
    else:
        values = sorted(known.unique())
        rare = [value for value in values if (known == value).sum() < _FEW_VALUES]
        yield 'type = "category"'
        if rare:
            yield f"# {len(rare)} values occur in fewer than {_FEW_VALUES} applications; consider folding them."
        yield f"values = [{', '.join(map(_quoted, values))}]"
        yield f"example = {_quoted(str(known.mode().iloc[0]))}"
    yield f"description = {_quoted(f'{column.name}.')}"
    if column.cells.isna().any():
        yield f"optional = true  # missing in {int(column.cells.isna().sum())} of {len(labels)} applications"


def _number(column: _Column) -> Iterator[str]:
    numbers = column.numbers.dropna()
    is_whole = bool((numbers == np.floor(numbers)).all())
    low, high = float(numbers.min()), float(numbers.max())
    yield f'type = "{"integer" if is_whole else "number"}"'
    if is_whole and numbers.nunique() <= _FEW_VALUES:
        yield f"# It has only {numbers.nunique()} values. If they are codes without an order, make it a category."
    yield 'unit = ""'
    minimum, maximum = _range(low, high, is_whole=is_whole)
    yield f"minimum = {_plain(minimum, is_whole=is_whole)}  # the smallest value in the file is {low:.15g}"
    yield f"maximum = {_plain(maximum, is_whole=is_whole)}  # the largest is {high:.15g}"
    yield f"example = {_plain(float(numbers.sort_values().iloc[len(numbers) // 2]), is_whole=is_whole)}"


def _range(low: float, high: float, *, is_whole: bool) -> tuple[float, float]:
    """Return the range, widened for new applications; it stays non-negative if all values are."""
    margin = max(high - low, 1.0 if is_whole else abs(high) or 1.0)
    minimum = 0.0 if low >= 0 else low - margin
    return minimum, high + margin


def _plain(value: float, *, is_whole: bool) -> str:
    return str(round(value)) if is_whole else repr(float(f"{value:.15g}"))


def _quoted(text: str) -> str:
    """Return the text as a TOML string; JSON's escapes are the same."""
    return json.dumps(text, ensure_ascii=False)
