"""Ingest: from a CSV file to checked applications and outcomes.

Strict on purpose: a row that means something else than it says is worse than no model. Messages name row and column and
never repeat a value.
"""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from loan_api.credit.decision import APPROVED, REJECTED
from loan_api.credit.features import CATEGORIES, FEATURE_NAMES, FEATURES, NUMBERS
from loan_api.credit.frame import conform
from loan_api.settings import SAMPLE_DATASET
from training.errors import DatasetError

IDENTIFIER = "loan_id"
LABEL = "loan_status"
COLUMNS = (IDENTIFIER, *FEATURE_NAMES, LABEL)
OUTCOMES = {"Approved": APPROVED, "Rejected": REJECTED}

_HEADER_ROW = 1


@dataclass(frozen=True)
class Dataset:
    """Checked applications (n rows, the declared features) and their outcomes (n values, 1 approved, 0 rejected).

    They are sorted by their content, so that the order of the file changes nothing; the index of both is the row number
    in the file (its header is row 1). `digest` is the SHA-256 (hex) of the content, whatever the order of the rows and
    the name of the file. `repeated_rows` were dropped; `rows_read` counts them, too.
    """

    path: Path
    applications: pd.DataFrame
    outcomes: pd.Series
    digest: str
    rows_read: int
    repeated_rows: int
    is_sample: bool


def read_dataset(path: Path) -> Dataset:
    """Reads and checks the file at `path`.

    An application that stands in the file again, under another identifier, is dropped and counted, so that no
    application can be on both sides of a split.

    Raises DatasetError naming the file and the first row and column that is wrong, and how many more there are.
    """
    table = _read_table(path)
    problems = list(_find_problems(table))
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
        digest=_digest(kept),
        rows_read=len(table),
        repeated_rows=len(table) - len(kept),
        is_sample=path == SAMPLE_DATASET,
    )


def row_texts(table: pd.DataFrame) -> list[str]:
    """Every row's values as one text, the same for the same values wherever and whenever it is made."""
    columns = [table[name].tolist() for name in table.columns]
    return [repr(row) for row in zip(*columns, strict=True)]


def _digest(rows: pd.DataFrame) -> str:
    return hashlib.sha256("\n".join(row_texts(rows)).encode()).hexdigest()


def _read_table(path: Path) -> pd.DataFrame:
    """The file as stripped text, a column each, indexed by row number in the file (the header is row 1)."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header)
            rows, numbers = [], []
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise DatasetError(f"{path}: row {reader.line_num}: {len(row)} values for {len(header)} columns")
                rows.append([value.strip() for value in row])
                numbers.append(reader.line_num)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not UTF-8 text") from error
    except csv.Error as error:
        raise DatasetError(f"{path}: row {reader.line_num}: is not valid CSV: {error}") from error
    if not rows:
        raise DatasetError(f"{path}: row {_HEADER_ROW + 1}: there are no applications in the file")
    return pd.DataFrame(rows, columns=header, index=numbers, dtype=object)


def _check_header(path: Path, header: list[str]) -> None:
    where = f"{path}: row {_HEADER_ROW}"
    if not header:
        raise DatasetError(f"{where}: the file is empty")
    for name in COLUMNS:
        if name not in header:
            raise DatasetError(f"{where}: column {name} is missing; expected comma-separated {', '.join(COLUMNS)}")
        if header.count(name) > 1:
            raise DatasetError(f"{where}: column {name} stands there {header.count(name)} times")
    unknown = len(header) - len(COLUMNS)
    if unknown:
        first = next(index for index, name in enumerate(header, start=1) if name not in COLUMNS)
        raise DatasetError(f"{where}: column number {first} is not one of {', '.join(COLUMNS)}")


def _find_problems(table: pd.DataFrame) -> Iterator[str]:
    """Every value that is not what its column promises, column by column."""
    repeated = table[IDENTIFIER].duplicated()
    yield from _problems(table.index[repeated], IDENTIFIER, "this identifier stands in an earlier row, too")
    yield from _problems(table.index[table[IDENTIFIER] == ""], IDENTIFIER, "is empty")
    expectations = {feature.name: feature.expectation for feature in FEATURES}
    for number in NUMBERS:
        values = pd.to_numeric(table[number.name], errors="coerce").to_numpy(dtype="float64")
        valid = (values >= number.minimum) & (values <= number.maximum)
        if number.whole:
            valid &= values == np.floor(values)
        yield from _problems(table.index[~valid], number.name, f"expected {expectations[number.name]}")
    for category in CATEGORIES:
        valid = table[category.name].isin(category.values).to_numpy()
        yield from _problems(table.index[~valid], category.name, f"expected {expectations[category.name]}")
    known = table[LABEL].isin(OUTCOMES).to_numpy()
    yield from _problems(table.index[~known], LABEL, f"expected one of {', '.join(OUTCOMES)}")
    if known.all() and table[LABEL].nunique() == 1:
        rows = "there is only one application" if len(table) == 1 else "every application has the same outcome"
        yield f"column {LABEL}: {rows}; there is nothing to learn"


def _problems(rows: pd.Index, column: str, problem: str) -> Iterator[str]:
    for row in rows:
        yield f"row {row}, column {column}: {problem}"
