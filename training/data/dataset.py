"""Ingestion: reads a CSV file into validated applications and outcomes.

Validation is strict, because a model trained on misread rows is worse than none. Messages name the row (its line in
the file) and the column, and never repeat a value.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from loan_api.credit.decision import APPROVED, REJECTED
from loan_api.credit.features import CategoryFeature, Feature
from loan_api.credit.form import Form
from loan_api.credit.frame import conform
from loan_api.formats.csv_text import MalformedCsvError, other_separator, read_csv
from loan_api.settings import SAMPLE_DATASET
from training.errors import DatasetError

_HEADER_ROW = 1
# The outcome's column in a table that also has the features; no feature can have this name.
OUTCOME = "outcome"

# Row number and position of the column, and the message.
_Problem = tuple[tuple[int, int], str]


@dataclass(frozen=True)
class Dataset:
    """Validated applications of a form (n rows, its features) and their outcomes (n values, 1 approved, 0 rejected).

    Both are sorted by content, so the order of the file has no effect, and indexed by row number in the file (the
    header is row 1). `digest` is the SHA-256 (hex) of the content; it depends on neither row order nor file name.
    `rows_read` includes the `repeated_rows`, which were dropped. `constant` names the features with only one value.
    """

    form: Form
    path: Path
    applications: pd.DataFrame
    outcomes: pd.Series
    digest: str
    rows_read: int
    repeated_rows: int
    constant: tuple[str, ...]
    is_sample: bool


def read_dataset(form: Form, path: Path) -> Dataset:
    """Read and validate the dataset at `path`.

    An application that appears again under another identifier is dropped and counted, so that no application can be on
    both sides of a split.

    Raises DatasetError, which names the first problem by file, row and column, and counts the others.
    """
    table, malformed = _read_table(form, path)
    problems = [problem for _, problem in sorted([*malformed, *_invalid_values(form, table)])]
    if not problems and len(table) == 0:
        problems = [f"row {_HEADER_ROW + 1}: there are no applications in the file"]
    outcomes = _outcomes(form, table[form.outcome.column])
    if not problems and len(np.unique(outcomes)) == 1:
        rows = "there is only one application" if len(table) == 1 else "every application has the same outcome"
        problems = [f"column {form.outcome.column}: {rows}; there is nothing to learn"]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DatasetError(f"{path}: {problems[0]}{more}")
    everything = _values(form, table).assign(**{OUTCOME: outcomes})
    if empty := [name for name in form.names if everything[name].isna().all()]:
        raise DatasetError(f"{path}: column {empty[0]}: is missing in every application; remove it from the form")
    everything = everything.sort_values(list(everything.columns), kind="stable")
    kept = everything.drop_duplicates()
    return Dataset(
        form=form,
        path=path,
        applications=kept[list(form.names)],
        outcomes=kept[OUTCOME],
        digest=hashlib.sha256("\n".join(row_texts(kept)).encode()).hexdigest(),
        rows_read=len(table),
        repeated_rows=len(table) - len(kept),
        constant=tuple(name for name in form.names if kept[name].nunique(dropna=False) == 1),
        is_sample=path == SAMPLE_DATASET,
    )


def row_texts(table: pd.DataFrame) -> list[str]:
    """Return each row's values as a text that is identical for identical values on every platform."""
    columns = [table[name].tolist() for name in table.columns]
    return [repr(row) for row in zip(*columns, strict=True)]


def normalised(column: str) -> str:
    """Return a column's name as a feature could be named: letters, digits and single underscores."""
    return re.sub(r"\W+", "_", column.strip(), flags=re.ASCII).strip("_")


def _columns(form: Form) -> list[str]:
    """Return the columns that a dataset must have."""
    identifier = [] if form.dataset.identifier is None else [form.dataset.identifier]
    return [*identifier, *form.names, form.outcome.column]


def _read_table(form: Form, path: Path) -> tuple[pd.DataFrame, list[_Problem]]:
    """Return the cells as stripped text, indexed by row number, and the problems of rows that are not applications."""
    header: list[str] = _columns(form)
    rows: dict[int, list[str]] = {}
    problems: list[_Problem] = []
    try:
        numbered = ((number, [cell.strip() for cell in row]) for number, row in read_csv(path.read_bytes()))
        _, given = next(numbered, (_HEADER_ROW, []))
        header = _known_names(form, given)
        _check_header(form, path, header)
        for number, cells in numbered:
            if not any(cells):
                continue
            if sorted(cells) == sorted(given):
                problems.append(((number, 0), f"row {number}: repeats the header"))
            elif len(cells) != len(header):
                problems.append(((number, 0), f"row {number}: {len(cells)} values for {len(header)} columns"))
            else:
                rows[number] = cells
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    except MalformedCsvError as error:
        problems.append(((error.line, 0), f"row {error.line}: {error.problem.rstrip('.')}"))
    return pd.DataFrame(list(rows.values()), columns=header, index=list(rows), dtype=object), problems


def _known_names(form: Form, header: Sequence[str]) -> list[str]:
    """Return the header; a column that matches a known one only when normalised, ignoring case, gets its name."""
    known = dict.fromkeys((*_columns(form), *form.dataset.ignored))
    keys = Counter(map(_key, known))
    by_key = {_key(name): name for name in known if _key(name) and keys[_key(name)] == 1}
    return [name if name in known else by_key.get(_key(name), name) for name in header]


def _key(column: str) -> str:
    return normalised(column).casefold()


def _check_header(form: Form, path: Path, header: list[str]) -> None:
    columns = _columns(form)
    known = {*columns, *form.dataset.ignored}
    expected = ", ".join(columns)
    if not header:
        problem = "the file is empty"
    elif separator := other_separator(header, columns):
        problem = f"the columns are separated by {separator}; use commas"
    elif missing := [name for name in columns if name not in header]:
        problem = f"column {missing[0]} is missing; expected {expected}"
    elif header[0] == "" or "__index_level_0__" in header:
        problem = "there is an index column; write the file without it (pandas: index=False)"
    elif repeated := [name for name in columns if header.count(name) > 1]:
        problem = f"column {repeated[0]} appears {header.count(repeated[0])} times"
    elif unknown := [(number, name) for number, name in enumerate(header, start=1) if name not in known]:
        problem = (
            f"column number {unknown[0][0]}, {unknown[0][1]!r}, is not in the form; declare it as a feature or list it"
            " in dataset.ignored"
        )
    else:
        return
    raise DatasetError(f"{path}: row {_HEADER_ROW}: {problem}")


def _is_missing(form: Form, cells: pd.Series) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = cells.isin(form.dataset.missing).to_numpy()
    return missing


def _numbers(cells: pd.Series) -> NDArray[np.float64]:
    return pd.to_numeric(cells, errors="coerce").to_numpy(dtype="float64")


def _outcomes(form: Form, cells: pd.Series) -> NDArray[np.int64]:
    """Return 1 for approved, 0 for rejected and -1 for texts that the form does not declare."""
    codes = dict.fromkeys(form.outcome.approved, APPROVED) | dict.fromkeys(form.outcome.rejected, REJECTED)
    return np.array([codes.get(cell, -1) for cell in cells], dtype=np.int64)


def _values(form: Form, table: pd.DataFrame) -> pd.DataFrame:
    """Return the valid cells of the features as numbers and texts; NaN or None if missing."""
    values = {}
    for feature in form.features:
        cells = table[feature.name].where(~_is_missing(form, table[feature.name]), None)
        values[feature.name] = cells if isinstance(feature, CategoryFeature) else _numbers(cells)
    return conform(form, pd.DataFrame(values, index=table.index))


def _invalid_values(form: Form, table: pd.DataFrame) -> list[_Problem]:
    problems: list[_Problem] = []
    names = table.columns.tolist()

    def report(column: str, valid: Any, problem: str) -> None:
        rows = table.index[~np.asarray(valid, dtype=bool)].tolist()
        place = names.index(column)
        problems.extend(((row, place), f"row {row}, column {column}: {problem}") for row in rows)

    if form.dataset.identifier is not None:
        column = form.dataset.identifier
        report(column, table[column] != "", "is empty")
        first_rows: dict[str, int] = {}
        for row, identifier in zip(table.index.tolist(), table[column].tolist(), strict=True):
            first = first_rows.setdefault(identifier, row)
            if identifier and first != row:
                problem = f"row {row}, column {column}: repeats the identifier of row {first}"
                problems.append(((row, names.index(column)), problem))
    for feature in form.features:
        missing = _is_missing(form, table[feature.name])
        report(feature.name, missing | _valid(feature, table[feature.name]), f"expected {feature.expectation}")
        if not feature.optional:
            report(feature.name, ~missing, "is missing, but the feature is not optional")
    expected = ", ".join((*form.outcome.approved, *form.outcome.rejected))
    report(form.outcome.column, _outcomes(form, table[form.outcome.column]) >= 0, f"expected one of {expected}")
    return problems


def _valid(feature: Feature, cells: pd.Series) -> NDArray[np.bool_]:
    if isinstance(feature, CategoryFeature):
        return cells.isin(feature.values).to_numpy()
    values = _numbers(cells)
    valid: NDArray[np.bool_] = (values >= feature.minimum) & (values <= feature.maximum)
    return valid & (values == np.floor(values)) if feature.whole else valid
