"""Arrow IPC streams: applications in requests, decisions in responses."""

from collections.abc import Iterator

import pyarrow as pa

from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.arrow_tables import check_schema, columns_of_table, decided_table, reading
from loan_api.formats.decided import DecidedBatch
from loan_api.formats.refusals import MalformedBodyError
from loan_api.formats.rows import check_size, too_many
from loan_api.scoring.columns import Columns

_FILE_MAGIC = b"ARROW1\0\0"


def decode(codec: ApplicationCodec, body: bytes, max_rows: int) -> Columns:
    """Decode the applications in the body."""
    if body.startswith(_FILE_MAGIC):
        raise MalformedBodyError("The body is an Arrow file (Feather). Send an Arrow stream.")
    source = pa.BufferReader(body)
    batches = []
    rows = 0
    with reading("Arrow stream"):
        with pa.ipc.open_stream(source) as reader:
            check_schema(codec, reader.schema)
            for batch in reader:
                rows += batch.num_rows
                if rows > max_rows:
                    raise too_many(max_rows)
                # Validate first: even reading the size of a broken batch may access memory outside of it.
                batch.validate(full=True)
                batches.append(batch)
            table = pa.Table.from_batches(batches, schema=reader.schema)
        if source.tell() != len(body):
            raise MalformedBodyError("The body continues after the end of the Arrow stream.")
        check_size(codec, rows, max_rows)
        return columns_of_table(codec, table, max_rows)


def encode(batch: DecidedBatch) -> Iterator[bytes]:
    """Encode the decisions as one stream."""
    table = decided_table(batch)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    yield sink.getvalue().to_pybytes()
