"""Parquet files: applications in requests, decisions in responses."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.arrow_tables import check_schema, columns_of_table, decided_table, reading
from loan_api.formats.decided import DecidedBatch
from loan_api.formats.refusals import MalformedBodyError
from loan_api.formats.rows import check_size
from loan_api.scoring.columns import Columns

# A file ends with the length of its metadata (4 bytes, little-endian) and "PAR1". Parsing more takes seconds.
_MAX_METADATA_BYTES = 2**22


def decode(codec: ApplicationCodec, body: bytes, max_rows: int) -> Columns:
    """Decode the applications in the body."""
    if int.from_bytes(body[-8:-4], "little") > _MAX_METADATA_BYTES and body.endswith(b"PAR1"):
        raise MalformedBodyError(f"The metadata of the file takes more than {_MAX_METADATA_BYTES} bytes.")
    with reading("Parquet file"):
        file = pq.ParquetFile(pa.py_buffer(body))
        check_schema(codec, file.schema_arrow)
        groups = (file.metadata.row_group(place).num_rows for place in range(file.metadata.num_row_groups))
        check_size(codec, max(file.metadata.num_rows, sum(groups)), max_rows)
        table = file.read(use_threads=False)
        # Validate first: even reading the size of a broken table may access memory outside of it.
        table.validate(full=True)
        check_size(codec, table.num_rows, max_rows)
        return columns_of_table(codec, table, max_rows)


def encode(batch: DecidedBatch) -> Iterator[bytes]:
    """Encode the decisions as one file."""
    sink = pa.BufferOutputStream()
    pq.write_table(decided_table(batch), sink)
    yield sink.getvalue().to_pybytes()
