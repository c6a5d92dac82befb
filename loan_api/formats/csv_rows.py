"""CSV (UTF-8, with a header): one application per line in requests, one decision per line in responses."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.features import CategoryFeature
from loan_api.credit.form import Form
from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.csv_text import MalformedCsvError, other_separator, read_csv
from loan_api.formats.decided import DecidedBatch
from loan_api.formats.refusals import MalformedBodyError
from loan_api.formats.rows import (
    UNDECLARED,
    all_valid,
    check_names,
    check_size,
    decided_rows,
    missing_column,
    too_many,
)
from loan_api.scoring.columns import Columns, columns_of

_PIECE_ROWS = 1000


def decode(codec: ApplicationCodec, body: bytes, max_rows: int) -> Columns:
    """Decode the applications in the body. An empty cell is a missing value."""
    form = codec.form
    try:
        numbered = read_csv(body)
        header = [name.strip() for name in next(numbered, (1, []))[1]]
        if separator := other_separator(header, form.names):
            raise MalformedBodyError(f"The cells are separated by {separator}. Separate them by commas.")
        check_names(codec, header)
        rows: list[list[str]] = []
        for line, row in numbered:
            if len(rows) == max_rows:
                raise too_many(max_rows)
            if len(row) != len(header):
                raise MalformedBodyError(f"Line {line} has {len(row)} cells, but the header has {len(header)}.")
            rows.append(row)
    except MalformedCsvError as error:
        raise MalformedBodyError(str(error)) from None
    check_size(codec, len(rows), max_rows)
    texts = dict(zip(header, zip(*rows, strict=True), strict=True))
    columns = _columns(form, texts, len(rows))
    if columns is not None and all_valid(form, columns):
        return columns
    numbers = {number.name for number in form.numbers}
    instances = [_explained_row(header, row, numbers) for row in rows]
    return columns_of(form, codec.explained_batch({"instances": instances}, max_rows))


def _columns(form: Form, texts: Mapping[str, Sequence[str]], rows: int) -> dict[str, NDArray[Any]] | None:
    """Return the columns, or None if a cell that should be a number is not."""
    columns: dict[str, NDArray[Any]] = {}
    for feature in form.features:
        cells = texts.get(feature.name)
        if cells is None:
            columns[feature.name] = missing_column(feature, rows)
        elif isinstance(feature, CategoryFeature):
            codes = form.codes[feature.name]
            codes = {**codes, "": codes.get(None, UNDECLARED)}
            columns[feature.name] = np.array([codes.get(cell.strip(), UNDECLARED) for cell in cells], dtype=np.int8)
        elif feature.optional:
            column = _optional_numbers(cells)
            if column is None:
                return None
            columns[feature.name] = column
        else:
            if not _are_plain(cells):
                return None
            try:
                columns[feature.name] = np.fromiter(map(float, cells), np.float64, len(cells))
            except ValueError:
                return None
    return columns


def _optional_numbers(cells: Sequence[str]) -> NDArray[np.float64] | None:
    """Return the numbers, NaN for empty cells, or None if a cell is neither."""
    stripped = [cell.strip() for cell in cells]
    given = [cell for cell in stripped if cell]
    if not _are_plain(given):
        return None
    column = np.full(len(cells), np.nan)
    try:
        column[[bool(cell) for cell in stripped]] = [float(cell) for cell in given]
    except ValueError:
        return None
    # The text "nan" is not a number.
    return column if np.count_nonzero(np.isnan(column)) == len(cells) - len(given) else None


def _are_plain(cells: Sequence[str]) -> bool:
    """Return False for spellings that only Python reads as numbers: 1_000, or digits of other scripts."""
    joined = "".join(cells)
    return joined.isascii() and "_" not in joined


def _explained_row(header: Sequence[str], row: Sequence[str], numbers: Collection[str]) -> dict[str, Any]:
    """Return the row as it would be in JSON: empty cells are omitted, invalid numbers stay text."""
    application: dict[str, Any] = {}
    for name, cell in zip(header, row, strict=True):
        text = cell.strip()
        if not text:
            continue
        application[name] = text
        if name in numbers and _are_plain([text]):
            with suppress(ValueError):
                application[name] = float(text)
    return application


def encode(batch: DecidedBatch) -> Iterator[bytes]:
    """Encode the header and a line for each decision, in pieces of a thousand."""
    yield b"row_id,prediction,probability,decision,rule\n"
    rows = len(batch.predictions)
    for start in range(0, rows, _PIECE_ROWS):
        decided = decided_rows(batch, start, min(start + _PIECE_ROWS, rows))
        lines = [
            f"{row.row_id},{row.prediction},{row.probability!r},{row.decision},{row.rule or ''}\n" for row in decided
        ]
        yield "".join(lines).encode()
