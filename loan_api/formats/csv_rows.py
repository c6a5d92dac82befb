"""CSV (UTF-8, with a header): one application per line in requests, one decision per line in responses."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.features import FEATURE_NAMES, FEATURES, NUMBERS, CategoryFeature
from loan_api.formats.applications import explained_batch
from loan_api.formats.csv_text import MalformedCsvError, other_separator, read_csv
from loan_api.formats.decided import DecidedBatch
from loan_api.formats.refusals import MalformedBodyError
from loan_api.formats.rows import all_valid, check_names, check_size, decided_rows, too_many
from loan_api.scoring.columns import CODES, Columns, columns_of

_PIECE_ROWS = 1000
_NUMBER_NAMES = frozenset(number.name for number in NUMBERS)


def decode(body: bytes, max_rows: int) -> Columns:
    """Decode the applications in the body. An empty cell is a missing value."""
    try:
        numbered = read_csv(body)
        header = [name.strip() for name in next(numbered, (1, []))[1]]
        if separator := other_separator(header, FEATURE_NAMES):
            raise MalformedBodyError(f"The cells are separated by {separator}. Separate them by commas.")
        check_names(header)
        rows: list[list[str]] = []
        for line, row in numbered:
            if len(rows) == max_rows:
                raise too_many(max_rows)
            if len(row) != len(header):
                raise MalformedBodyError(f"Line {line} has {len(row)} cells, but the header has {len(header)}.")
            rows.append(row)
    except MalformedCsvError as error:
        raise MalformedBodyError(str(error)) from None
    check_size(len(rows), max_rows)
    texts = dict(zip(header, zip(*rows, strict=True), strict=True))
    columns = _columns(texts)
    if columns is not None and all_valid(columns):
        return columns
    return columns_of(explained_batch({"instances": [_explained_row(header, row) for row in rows]}, max_rows))


def _columns(texts: Mapping[str, Sequence[str]]) -> dict[str, NDArray[Any]] | None:
    """Return the columns, or None if a cell that should be a number is not."""
    columns: dict[str, NDArray[Any]] = {}
    for feature in FEATURES:
        cells = texts[feature.name]
        if isinstance(feature, CategoryFeature):
            codes = CODES[feature.name]
            columns[feature.name] = np.array([codes.get(cell.strip(), -1) for cell in cells], dtype=np.int8)
        else:
            if not _are_plain(cells):
                return None
            try:
                columns[feature.name] = np.fromiter(map(float, cells), np.float64, len(cells))
            except ValueError:
                return None
    return columns


def _are_plain(cells: Sequence[str]) -> bool:
    """Return False for spellings that only Python reads as numbers: 1_000, or digits of other scripts."""
    joined = "".join(cells)
    return joined.isascii() and "_" not in joined


def _explained_row(header: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    """Return the row as it would be in JSON: empty cells are omitted, invalid numbers stay text."""
    application: dict[str, Any] = {}
    for name, cell in zip(header, row, strict=True):
        text = cell.strip()
        if not text:
            continue
        application[name] = text
        if name in _NUMBER_NAMES and _are_plain([text]):
            with suppress(ValueError):
                application[name] = float(text)
    return application


def encode(batch: DecidedBatch) -> Iterator[bytes]:
    """Encode the header and a line for each decision, in pieces of a thousand."""
    yield b"row_id,prediction,probability\n"
    rows = len(batch.predictions)
    for start in range(0, rows, _PIECE_ROWS):
        decided = decided_rows(batch, start, min(start + _PIECE_ROWS, rows))
        yield "".join([f"{row.row_id},{row.prediction},{row.probability!r}\n" for row in decided]).encode()
