"""Tables that are not what they say they are, or are far more than they look like."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from loan_api.credit.features import FEATURES
from tests.support.applications import application


def arrow_bomb(size: int) -> bytes:
    """A stream, some thousand times as small as the text that is in it."""
    return _stream(pa.Table.from_pylist([application(education="x" * size)]), "zstd")


def parquet_bomb(size: int) -> bytes:
    """The same as a file."""
    table = pa.Table.from_pylist([application(education="x" * size)])
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_statistics=False)
    return sink.getvalue()


def lengths_made_up() -> bytes:
    """A stream with a dictionary that says that it is longer than any memory."""
    table = pa.Table.from_pylist([application()] * 3)
    values = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["Graduate", *"abcdef"]))
    table = table.set_column(table.schema.get_field_index("education"), "education", values)
    honest = (len(values.dictionary)).to_bytes(8, "little")
    stream = _stream(table, None)
    assert honest in stream
    return stream.replace(honest, (2**48).to_bytes(8, "little"))


def saying_small_sizes(file: bytes) -> bytes:
    """The file with 500 for each large size in its metadata, in Thrift's compact protocol."""
    metadata = pq.read_metadata(io.BytesIO(file))
    group = metadata.row_group(0)
    sizes = [group.total_byte_size, *(group.column(place).total_uncompressed_size for place in range(len(FEATURES)))]
    start = len(file) - metadata.serialized_size - 8
    pages, end = file[:start], file[start:]
    for size in filter(lambda size: size > 1_000_000, sizes):
        said = varint(size * 2)
        end = end.replace(said, varint(1_000, len(said)))
    lying = pages + end
    assert pq.read_metadata(io.BytesIO(lying)).row_group(0).total_byte_size == 500
    return lying


def varint(number: int, length: int = 0) -> bytes:
    """As Thrift's compact protocol has it; in `length` bytes, if it needs no more."""
    groups = [number >> shift & 127 for shift in range(0, max(number.bit_length(), length * 7), 7)]
    return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


def _stream(table: Any, codec: str | None) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table)
    return sink.getvalue()
