"""Arrow tables: valid applications out of them, decisions into them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from loan_api.credit.features import FEATURE_NAMES, FEATURES, CategoryFeature
from loan_api.errors import BatchTooLargeError
from loan_api.formats.applications import explained_batch
from loan_api.formats.decided import DecidedBatch
from loan_api.formats.rows import all_valid
from loan_api.scoring.columns import Columns, columns_of

# What Arrow raises where a table is broken, and what broken names and texts in it lead to.
UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, KeyError)
_CELL_BYTES = 64
_TABLE_BYTES = 2**20
# The first four of them are the length.
_VIEW_BYTES = 16


def columns_of_table(table: Any, max_rows: int) -> Columns:
    """The valid applications in a table that has the declared features as its columns, but for what is not flat."""
    flat = {name: _flat(table, name, max_rows) for name in FEATURE_NAMES}
    columns = _columns(flat)
    if columns is not None and all_valid(columns):
        return columns
    return columns_of(explained_batch({"instances": pa.table(flat).to_pylist()}, max_rows))


def is_flat(kind: Any) -> bool:
    """Whether a column of the type has one number, text or truth value a row, so that rows tell how much it unpacks to.

    A list's length is told nowhere else, and a list of nulls takes up nothing until it becomes Python's.
    """
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return is_number or _is_text(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)


def _flat(table: Any, name: str, max_rows: int) -> Any:
    """The column without a dictionary, its texts cut where they are longer than any that is valid.

    Rows may share one long text, so it is cut before each row gets its own. What is not flat becomes a column of truth
    values, which no feature is, so that each row is refused for its type.
    """
    if name not in table.column_names or not is_flat(table.column(name).type):
        return pa.chunked_array([pa.array(np.ones(table.num_rows, bool))])
    column = table.column(name)
    chunks = [_flat_chunk(chunk, max_rows) for chunk in column.chunks]
    return pa.chunked_array(chunks) if chunks else column


def _flat_chunk(chunk: Any, max_rows: int) -> Any:
    if pa.types.is_dictionary(chunk.type):
        return _flat_chunk(chunk.dictionary, max_rows).take(chunk.indices)
    if not _is_text(chunk.type):
        return chunk
    if pa.types.is_string_view(chunk.type):
        check_unpacked(_viewed_bytes(chunk), max_rows)
    return pc.utf8_slice_codeunits(chunk.cast(pa.large_string()), 0, _CELL_BYTES).cast(pa.string())


def _viewed_bytes(chunk: Any) -> int:
    """What the views of a chunk add up to; several may be of the same bytes."""
    views = np.frombuffer(chunk.buffers()[1], np.int32).reshape(-1, _VIEW_BYTES // 4)
    return int(views[chunk.offset : chunk.offset + len(chunk), 0].sum(dtype=np.int64))


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _columns(flat: Mapping[str, Any]) -> dict[str, NDArray[Any]] | None:
    """The columns, or None where a value is missing or of another type."""
    columns: dict[str, NDArray[Any]] = {}
    for feature in FEATURES:
        column = flat[feature.name]
        kind = column.type
        if column.null_count:
            return None
        if isinstance(feature, CategoryFeature):
            if not _is_text(kind):
                return None
            codes = pc.index_in(column, value_set=pa.array(feature.values))
            columns[feature.name] = codes.fill_null(-1).to_numpy().astype(np.int8)
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
            columns[feature.name] = column.to_numpy().astype(np.float64)
        else:
            return None
    return columns


def decided_table(batch: DecidedBatch) -> Any:
    """Columns row_id, prediction and probability; the schema's metadata says who decided when."""
    metadata = {
        "model_version": batch.model_version,
        "timestamp": batch.timestamp,
        "processing_time": batch.processing_time,
        "batch_id": batch.batch_id,
    }
    schema = pa.schema(
        [("row_id", pa.int64()), ("prediction", pa.int8()), ("probability", pa.float64())], metadata=metadata
    )
    arrays = [
        np.arange(len(batch.predictions)),
        batch.predictions.astype(np.int8),
        batch.probabilities.astype(np.float64),
    ]
    return pa.table(arrays, schema=schema)


def check_unpacked(size: int, max_rows: int) -> None:
    """Raises BatchTooLargeError for more bytes in memory than a valid table of so many rows takes up, generously."""
    if size > _CELL_BYTES * len(FEATURE_NAMES) * max_rows + _TABLE_BYTES:
        raise BatchTooLargeError(f"The table unpacks to more than {max_rows} applications can be.")
