"""An Arrow IPC stream of applications, answered by one of decisions."""

from collections.abc import Iterator

import pyarrow as pa

from loan_api.formats.arrow_messages import unpacked_bytes
from loan_api.formats.arrow_tables import UNREADABLE, check_unpacked, columns_of_table, decided_table
from loan_api.formats.decided import DecidedBatch
from loan_api.formats.refusals import MalformedBodyError
from loan_api.formats.rows import check_names, check_size, too_many
from loan_api.scoring.columns import Columns


def decode(body: bytes, max_rows: int) -> Columns:
    """The valid applications in the body; what its messages say they unpack to is checked before any is unpacked."""
    source = pa.BufferReader(body)
    batches = []
    rows = 0
    try:
        check_unpacked(unpacked_bytes(body), max_rows)
        with pa.ipc.open_stream(source) as reader:
            check_names(reader.schema.names)
            for batch in reader:
                rows += batch.num_rows
                if rows > max_rows:
                    raise too_many(max_rows)
                # Before anything else is asked of it: even its size may be told by reading where it has no memory.
                batch.validate(full=True)
                batches.append(batch)
            table = pa.Table.from_batches(batches, schema=reader.schema)
        if source.tell() != len(body):
            raise MalformedBodyError("There is more in the body than one Arrow stream.")
        check_size(rows, max_rows)
        return columns_of_table(table, max_rows)
    except MemoryError:
        # Arrow's is one of UNREADABLE, too; what takes too much is too large.
        raise
    except UNREADABLE:
        raise MalformedBodyError("The body is not a valid Arrow stream.") from None


def encode(batch: DecidedBatch) -> Iterator[bytes]:
    """One stream."""
    table = decided_table(batch)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    yield sink.getvalue().to_pybytes()
