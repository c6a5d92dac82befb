"""A Parquet file of applications, answered by one of decisions."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from loan_api.credit.features import FEATURE_NAMES
from loan_api.formats.arrow_tables import UNREADABLE, check_unpacked, columns_of_table, decided_table, is_flat
from loan_api.formats.decided import DecidedBatch
from loan_api.formats.parquet_pages import unpacked_bytes
from loan_api.formats.refusals import MalformedBodyError
from loan_api.formats.rows import check_names, check_size
from loan_api.scoring.columns import Columns


def decode(body: bytes, max_rows: int) -> Columns:
    """The valid applications in the body; what its pages say they unpack to is checked before any is unpacked."""
    try:
        source = pa.py_buffer(body)
        metadata = pq.read_metadata(source)
        check_names(metadata.schema.to_arrow_schema().names)
        groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
        check_size(max(metadata.num_rows, sum(group.num_rows for group in groups)), max_rows)
        check_unpacked(unpacked_bytes(body), max_rows)
        # Texts stay in their dictionaries: all rows may share one that is long.
        file = pq.ParquetFile(source, metadata=metadata, read_dictionary=FEATURE_NAMES)
        flat = [field.name for field in file.schema_arrow if is_flat(field.type)]
        table = file.read(columns=flat, use_threads=False)
        # First: of a table that is broken, not even the size may be asked.
        table.validate(full=True)
        check_unpacked(table.nbytes, max_rows)
        check_size(table.num_rows, max_rows)
        return columns_of_table(table, max_rows)
    except MemoryError:
        # Arrow's is one of UNREADABLE, too; what takes too much is too large.
        raise
    except UNREADABLE:
        raise MalformedBodyError("The body is not a valid Parquet file.") from None


def encode(batch: DecidedBatch) -> Iterator[bytes]:
    """One file."""
    sink = pa.BufferOutputStream()
    pq.write_table(decided_table(batch), sink)
    yield sink.getvalue().to_pybytes()
