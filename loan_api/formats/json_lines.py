"""NDJSON: one application per line in requests, one decision per line in responses."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from loan_api.formats.applications import FAST_REFUSALS, ApplicationCodec
from loan_api.formats.decided import DecidedBatch
from loan_api.formats.refusals import MalformedBodyError
from loan_api.formats.rows import check_size, columns_of_structs, decided_rows, too_many
from loan_api.scoring.columns import Columns, columns_of

_PIECE_ROWS = 1000
_encoder = msgspec.json.Encoder()


def decode(codec: ApplicationCodec, body: bytes, max_rows: int) -> Columns:
    """Decode the applications in the body, skipping empty lines."""
    try:
        # Line by line, because msgspec's `decode_lines` accepts two applications on one line, or one on two.
        applications = [codec.fast.decode(line) for line in body.split(b"\n") if line.strip()]
    except FAST_REFUSALS:
        return columns_of(codec.form, codec.explained_batch({"instances": _parsed(body, max_rows)}, max_rows))
    check_size(codec, len(applications), max_rows)
    return columns_of_structs(codec.form, applications)


def _parsed(body: bytes, max_rows: int) -> list[Any]:
    rows: list[Any] = []
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        if len(rows) == max_rows:
            raise too_many(max_rows)
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError):
            # Not chained: the parser's message quotes the body.
            raise MalformedBodyError(f"Line {number} is not valid JSON.") from None
    return rows


def encode(batch: DecidedBatch) -> Iterator[bytes]:
    """Encode a line for each decision, in pieces of a thousand."""
    rows = len(batch.predictions)
    for start in range(0, rows, _PIECE_ROWS):
        yield _encoder.encode_lines(decided_rows(batch, start, min(start + _PIECE_ROWS, rows)))
