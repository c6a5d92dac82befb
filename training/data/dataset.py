"""Ingestion: reads a CSV file into validated applications and outcomes.

Validation is strict, because a model trained on misread rows is worse than none. Messages name the row (its line in
the file) and the column, and never repeat a value.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from loan_api.credit.decision import APPROVED, REJECTED
from loan_api.credit.features import FEATURE_NAMES, FEATURES, NumberFeature
from loan_api.credit.frame import conform
from loan_api.formats.csv_text import MalformedCsvError, other_separator, read_csv
from loan_api.settings import SAMPLE_DATASET
from training.errors import DatasetError

IDENTIFIER = "loan_id"
LABEL = "loan_status"
COLUMNS = (IDENTIFIER, *FEATURE_NAMES, LABEL)
OUTCOMES = {"Approved": APPROVED, "Rejected": REJECTED}

_HEADER_ROW = 1

# Row number and position of the column, and the message.
_Problem = tuple[tuple[int, int], str]


@dataclass(frozen=True)
class Dataset:
    """Validated applications (n rows, the declared features) and their outcomes (n values, 1 approved, 0 rejected).

    Both are sorted by content, so the order of the file has no effect, and indexed by row number in the file (the
    header is row 1). `digest` is the SHA-256 (hex) of the content; it depends on neither row order nor file name.
    `rows_read` includes the `repeated_rows`, which were dropped.
    """

    path: Path
    applications: pd.DataFrame
    outcomes: pd.Series
    digest: str
    rows_read: int
    repeated_rows: int
    is_sample: bool


def read_dataset(path: Path) -> Dataset:
    """Read and validate the dataset at `path`.

    An application that appears again under another identifier is dropped and counted, so that no application can be on
    both sides of a split.

    Raises DatasetError, which names the first problem by file, row and column, and counts the others.
    """
    table, malformed = _read_table(path)
    problems = [problem for _, problem in sorted([*malformed, *_invalid_values(table)])]
    if not problems and len(table) == 0:
        problems = [f"row {_HEADER_ROW + 1}: there are no applications in the file"]
    if not problems and table[LABEL].nunique() == 1:
        rows = "there is only one application" if len(table) == 1 else "every application has the same outcome"
        problems = [f"column {LABEL}: {rows}; there is nothing to learn"]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DatasetError(f"{path}: {problems[0]}{more}")
    everything = conform(table).assign(**{LABEL: table[LABEL].map(OUTCOMES).astype("int64")})
    everything = everything.sort_values(list(everything.columns), kind="stable")
    kept = everything.drop_duplicates()
    return Dataset(
        path=path,
        applications=kept[list(FEATURE_NAMES)],
        outcomes=kept[LABEL],
        digest=hashlib.sha256("\n".join(row_texts(kept)).encode()).hexdigest(),
        rows_read=len(table),
        repeated_rows=len(table) - len(kept),
        is_sample=path == SAMPLE_DATASET,
    )


def row_texts(table: pd.DataFrame) -> list[str]:
    """Return each row's values as a text that is identical for identical values on every platform."""
    columns = [table[name].tolist() for name in table.columns]
    return [repr(row) for row in zip(*columns, strict=True)]


def _read_table(path: Path) -> tuple[pd.DataFrame, list[_Problem]]:
    """Return the cells as stripped text, indexed by row number, and the problems of rows that are not applications."""
    header = list(COLUMNS)
    rows: dict[int, list[str]] = {}
    problems: list[_Problem] = []
    try:
        numbered = ((number, [cell.strip() for cell in row]) for number, row in read_csv(path.read_bytes()))
        _, header = next(numbered, (_HEADER_ROW, []))
        _check_header(path, header)
        for number, cells in numbered:
            if not any(cells):
                continue
            if cells[0] in COLUMNS and sorted(cells) == sorted(header):
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


def _check_header(path: Path, header: list[str]) -> None:
    expected = ", ".join(COLUMNS)
    if not header:
        problem = "the file is empty"
    elif separator := other_separator(header, COLUMNS):
        problem = f"the columns are separated by {separator}; use commas"
    elif missing := [name for name in COLUMNS if name not in header]:
        problem = f"column {missing[0]} is missing; expected {expected}"
    elif header[0] == "" or "__index_level_0__" in header:
        problem = "there is an index column; write the file without it (pandas: index=False)"
    elif repeated := [name for name in COLUMNS if header.count(name) > 1]:
        problem = f"column {repeated[0]} appears {header.count(repeated[0])} times"
    elif unknown := [number for number, name in enumerate(header, start=1) if name not in COLUMNS]:
        problem = f"column number {unknown[0]} is not one of {expected}"
    else:
        return
    raise DatasetError(f"{path}: row {_HEADER_ROW}: {problem}")


def _invalid_values(table: pd.DataFrame) -> list[_Problem]:
    problems: list[_Problem] = []
    names = table.columns.tolist()

    def report(column: str, valid: Any, problem: str) -> None:
        rows = table.index[~np.asarray(valid)].tolist()
        place = names.index(column)
        problems.extend(((row, place), f"row {row}, column {column}: {problem}") for row in rows)

    identifiers = table[IDENTIFIER]
    report(IDENTIFIER, identifiers != "", "is empty")
    first_rows: dict[str, int] = {}
    for row, identifier in zip(table.index.tolist(), identifiers.tolist(), strict=True):
        first = first_rows.setdefault(identifier, row)
        if identifier and first != row:
            problem = f"row {row}, column {IDENTIFIER}: repeats the identifier of row {first}"
            problems.append(((row, names.index(IDENTIFIER)), problem))
    for feature in FEATURES:
        if isinstance(feature, NumberFeature):
            values = pd.to_numeric(table[feature.name], errors="coerce").to_numpy(dtype="float64")
            valid = (values >= feature.minimum) & (values <= feature.maximum)
            if feature.whole:
                valid &= values == np.floor(values)
        else:
            valid = table[feature.name].isin(feature.values).to_numpy()
        report(feature.name, valid, f"expected {feature.expectation}")
    report(LABEL, table[LABEL].isin(OUTCOMES), f"expected one of {', '.join(OUTCOMES)}")
    return problems
