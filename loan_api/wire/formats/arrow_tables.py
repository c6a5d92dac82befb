"""Arrow tables: valid applications out of them, decisions into them."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from loan_api.credit.errors import BatchTooLargeError
from loan_api.credit.features import FEATURE_NAMES, FEATURES, CategoryFeature
from loan_api.scoring.columns import Columns, columns_of
from loan_api.wire.applications import explained_batch
from loan_api.wire.decided import DecidedBatch
from loan_api.wire.formats.rows import all_valid

# What Arrow raises where a table is broken, and what broken names and texts in it lead to.
UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, KeyError)
_CELL_BYTES = 64
_TABLE_BYTES = 2**20


def columns_of_table(table: Any, max_rows: int) -> Columns:
    """The valid applications in a table that has the declared features as its columns."""
    columns = _columns(table)
    if columns is not None and all_valid(columns):
        return columns
    return columns_of(explained_batch({"instances": table.to_pylist()}, max_rows))


def _columns(table: Any) -> dict[str, NDArray[Any]] | None:
    """The columns, or None where a value is missing or of another type."""
    columns: dict[str, NDArray[Any]] = {}
    for feature in FEATURES:
        column = table.column(feature.name)
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if column.null_count:
            return None
        if isinstance(feature, CategoryFeature):
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                return None
            codes = pc.index_in(column.cast(pa.string()), value_set=pa.array(feature.values))
            columns[feature.name] = codes.fill_null(-1).to_numpy().astype(np.int8)
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
            columns[feature.name] = column.cast(kind).to_numpy().astype(np.float64)
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
