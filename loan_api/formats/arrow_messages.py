"""What an Arrow IPC stream unpacks to, as its messages say it: pyarrow tells only once it has unpacked them.

A message's metadata is a flatbuffer, which pyarrow verifies before it hands it on, but does not show; the slots below
are the order of the fields in the format's Message.fbs. Each buffer of a compressed body begins with the length that it
unpacks to. Arrow asks memory for that, and refuses what unpacks to anything else
(https://arrow.apache.org/docs/format/Columnar.html#compression).
"""

from struct import Struct
from typing import Any

import pyarrow as pa
from flatbuffers import encode, packer
from flatbuffers.table import Table

_MESSAGE_HEADER, _MESSAGE_CUSTOM_METADATA = 2, 4
_DICTIONARY_DATA = 1
_BATCH_BUFFERS, _BATCH_COMPRESSION = 2, 3
# Its compression, an experiment of Arrow 0.17, is told in the custom metadata.
_VERSION_4 = 3
_PLACE_AND_LENGTH = Struct("<qq")
_UNPACKED_LENGTH = Struct("<q")
_NOT_PACKED = -1


def unpacked_bytes(stream: bytes) -> int:
    """What all compressed bodies in the stream add up to once they are unpacked.

    Raises one of Arrow's errors, or ValueError, where it is no stream.
    """
    return sum(_unpacked_bytes(message) for message in pa.ipc.MessageReader.open_stream(stream))


def _unpacked_bytes(message: Any) -> int:
    if message.type not in {"record batch", "dictionary"}:
        return 0
    metadata = memoryview(message.metadata)
    root = Table(metadata, encode.Get(packer.uoffset, metadata, 0))
    batch = _child(root, _MESSAGE_HEADER)
    if message.type == "dictionary":
        batch = _child(batch, _DICTIONARY_DATA)
    is_old = message.metadata_version <= _VERSION_4
    if not _offset(batch, _BATCH_COMPRESSION) and not (is_old and _offset(root, _MESSAGE_CUSTOM_METADATA)):
        return 0
    buffers = _offset(batch, _BATCH_BUFFERS)
    if not buffers:
        return 0
    start, count = batch.Vector(buffers), batch.VectorLen(buffers)
    places = _PLACE_AND_LENGTH.iter_unpack(metadata[start : start + count * _PLACE_AND_LENGTH.size])
    body = memoryview(message.body)
    return sum(_unpacked_length(body, place, length) for place, length in places)


def _unpacked_length(body: memoryview, place: int, length: int) -> int:
    if length < _UNPACKED_LENGTH.size:
        return 0
    if not 0 <= place <= len(body) - length:
        raise ValueError("a buffer is not in its message")
    (told,) = _UNPACKED_LENGTH.unpack_from(body, place)
    # A length that is negative otherwise is refused by Arrow, and must not make up for others here.
    return length if told == _NOT_PACKED else max(told, 0)


def _child(table: Any, slot: int) -> Any:
    offset = _offset(table, slot)
    if not offset:
        raise ValueError("a message lacks its header")
    return Table(table.Bytes, table.Indirect(table.Pos + offset))


def _offset(table: Any, slot: int) -> int:
    """Where the field is in the table, or 0."""
    offset: int = table.Offset(4 + 2 * slot)
    return offset
