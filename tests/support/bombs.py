"""Tables with false metadata, or that expand to many times their size."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.applications import application
from tests.support.batch_bodies import file_of, stream_of, with_column
from tests.support.forms import SHIPPED

_LONG_TEXT = "x" * 400_000


def arrow_bomb(size: int) -> bytes:
    """Return a compressed stream with a text several thousand times its size."""
    table = pa.Table.from_pylist([application(education="x" * size)])
    return stream_of(table, options=pa.ipc.IpcWriteOptions(compression="zstd"))


def parquet_bomb(size: int) -> bytes:
    """Return a Parquet file with such a text."""
    table = pa.Table.from_pylist([application(education="x" * size)])
    return file_of(table, compression="zstd", write_statistics=False)


def sharing(kind: Any, name: str = "education", rows: int = 10_000) -> Any:
    """Return a table with a column of `kind` whose rows share one long text or list, which is stored once."""
    if pa.types.is_dictionary(kind):
        column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, kind.index_type), pa.array([_LONG_TEXT]))
    elif pa.types.is_string_view(kind):
        view = pa.array([_LONG_TEXT], kind).buffers()
        column = pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(view[1].to_pybytes() * rows), *view[2:]])
    elif pa.types.is_run_end_encoded(kind):
        column = pa.RunEndEncodedArray.from_arrays(pa.array([rows], kind.run_end_type), pa.array([_LONG_TEXT]))
    else:
        length = len(_LONG_TEXT)
        column = pa.FixedSizeListArray.from_arrays(pa.nulls(rows * length), length)
    return with_column(name, column)


def shared_prefix() -> bytes:
    """Return a Parquet file whose texts all repeat the one before them."""
    table = with_column("education", pa.array([_LONG_TEXT] * 2_000))
    encoding = {"education": "DELTA_BYTE_ARRAY"}
    return file_of(table, compression="zstd", use_dictionary=False, column_encoding=encoding)


def lengths_made_up() -> bytes:
    """Return a stream with a dictionary whose claimed length exceeds any memory."""
    table = pa.Table.from_pylist([application()] * 3)
    values = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["Graduate", *"abcdef"]))
    table = table.set_column(table.schema.get_field_index("education"), "education", values)
    honest = (len(values.dictionary)).to_bytes(8, "little")
    stream = stream_of(table)
    assert honest in stream
    return stream.replace(honest, (2**48).to_bytes(8, "little"))


def saying_small_sizes(file: bytes) -> bytes:
    """Replace each large size in the file's metadata with 500."""
    metadata = pq.read_metadata(io.BytesIO(file))
    group = metadata.row_group(0)
    sizes = [
        group.total_byte_size,
        *(group.column(place).total_uncompressed_size for place in range(len(SHIPPED.features))),
    ]
    start = len(file) - metadata.serialized_size - 8
    pages, end = file[:start], file[start:]
    for size in filter(lambda size: size > 1_000_000, sizes):
        said = varint(size * 2)
        end = end.replace(said, varint(1_000, len(said)))
    lying = pages + end
    assert pq.read_metadata(io.BytesIO(lying)).row_group(0).total_byte_size == 500
    return lying


def varint(number: int, length: int = 0) -> bytes:
    """Encode a number as Thrift's compact protocol does, padded to `length` bytes."""
    groups = [number >> shift & 127 for shift in range(0, max(number.bit_length(), length * 7), 7)]
    return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])
