"""The formats of batches, by media type."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Protocol, cast

from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.decided import DecidedBatch
from loan_api.scoring.columns import Columns

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"

# A module is imported with the first batch of its format, because Arrow takes more memory than the rest of a process.
_MODULES: Mapping[str, str] = {
    JSON: "json_objects",
    NDJSON: "json_lines",
    CSV: "csv_rows",
    ARROW: "arrow_stream",
    PARQUET: "parquet_file",
}
MEDIA_TYPES: tuple[str, ...] = tuple(_MODULES)
# These only need modules that a scoring process imports anyway.
LIGHT = frozenset({JSON, NDJSON, CSV})
# Streamed without a length; the others are one document.
STREAMED = frozenset({NDJSON, CSV})


class BatchFormat(Protocol):
    """The interface of a format's module."""

    def decode(self, codec: ApplicationCodec, body: bytes, max_rows: int) -> Columns:
        """Decode the applications in the body.

        Raises MalformedBodyError, RequestRefusedError with every error, or BatchTooLargeError for more than `max_rows`.
        """

    def encode(self, batch: DecidedBatch) -> Iterator[bytes]:
        """Encode the decisions, piece by piece."""


def format_of(media_type: str) -> BatchFormat:
    """Return the format of one of `MEDIA_TYPES`."""
    return cast(BatchFormat, import_module(f"loan_api.formats.{_MODULES[media_type]}"))
