"""Arrow tables: extraction of applications, construction of decisions.

A few compressed or shared bytes can stand for gigabytes. This module does not check for that in advance; the
memory limit of the batch process stops it with a MemoryError (docs/adr/0025-memory-limit.md).
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from loan_api.credit.features import CategoryFeature, Feature
from loan_api.errors import BatchTooLargeError
from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.decided import DecidedBatch
from loan_api.formats.refusals import MalformedBodyError, Refusal
from loan_api.formats.rows import UNDECLARED, all_valid, check_names, missing_column
from loan_api.scoring.columns import Columns, columns_of

# Raised by Arrow for a broken table, or by Python for broken names and texts in it.
_UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, KeyError)
# Parquet's readers raise an OSError for both, distinguishable only by its text.
_UNSUPPORTED = re.compile(
    r"not (yet )?(implemented|supported|built)|unsupported|unknown encoding|encrypt", re.IGNORECASE
)
# A generous bound on the memory of a valid table. Explaining a larger one could take seconds.
_MAX_CELL_BYTES = 64
_SPARE_BYTES = 2**20
# The name and unit of a type, without parameters chosen by the client, such as the fields of a struct.
_TYPE_NAME = re.compile(r"\w+(\[\w+\])?")


@contextmanager
def reading(document: str) -> Iterator[None]:
    """Turn Arrow's errors into MalformedBodyError, which says if the document is unsupported rather than invalid."""
    try:
        yield
    except MemoryError:
        # Arrow's own MemoryError is also an ArrowException, so it must be handled first.
        raise
    except _UNREADABLE as error:
        # Not chained: the message may quote the body.
        if isinstance(error, NotImplementedError) or _UNSUPPORTED.search(str(error)):
            raise MalformedBodyError(
                f"The {document} uses an encoding, a compression or encryption that is not supported."
            ) from None
        raise MalformedBodyError(f"The body is not a valid {document}.") from None


def check_schema(codec: ApplicationCodec, schema: Any) -> None:
    """Check that the columns are the form's features, with numbers or texts in them.

    Raises RequestRefusedError with every column that does not fit, or MalformedBodyError if no column is a feature.
    """
    check_names(codec, schema.names)
    messages = {}
    for feature in _present(codec, schema.names):
        kind = _value_type(schema.field(feature.name).type)
        fits = _is_text if isinstance(feature, CategoryFeature) else _is_number
        # A column without any value is refused row by row, as in the other formats.
        if not (fits(kind) or pa.types.is_null(kind)):
            name = _TYPE_NAME.match(str(kind))
            text = f"Must be {feature.expectation}. The column's type is {name[0] if name else 'unknown'}."
            messages[feature.name] = [Refusal(text, "type")]
    if messages:
        raise codec.refused(messages)


def columns_of_table(codec: ApplicationCodec, table: Any, max_rows: int) -> Columns:
    """Return the applications in a table whose schema has passed the check.

    Raises RequestRefusedError with every error, or BatchTooLargeError for more than `max_rows`.
    """
    form = codec.form
    present = _present(codec, table.column_names)
    plain = pa.table({feature.name: _plain(table.column(feature.name), feature) for feature in present})
    if plain.nbytes > _MAX_CELL_BYTES * len(form.names) * max_rows + _SPARE_BYTES:
        raise BatchTooLargeError(f"The table unpacks to more than {max_rows} applications can take.")
    if not any(plain.column(feature.name).null_count for feature in present if not feature.optional):
        columns: dict[str, NDArray[Any]] = {}
        for feature in form.features:
            if feature not in present:
                columns[feature.name] = missing_column(feature, plain.num_rows)
                continue
            column = plain.column(feature.name)
            if isinstance(feature, CategoryFeature):
                # The cast also handles columns of type null.
                texts = column.cast(pa.large_string())
                codes = pc.index_in(texts, value_set=pa.array(feature.values, pa.large_string()))
                known = pc.if_else(texts.is_null(), pa.scalar(-1, pa.int32()), codes.fill_null(UNDECLARED))
                columns[feature.name] = known.to_numpy().astype(np.int8)
            else:
                columns[feature.name] = column.cast(pa.float64()).to_numpy()
        if all_valid(form, columns):
            return columns
    return columns_of(form, codec.explained_batch({"instances": plain.to_pylist()}, max_rows))


def _present(codec: ApplicationCodec, names: Sequence[str]) -> list[Feature]:
    return [feature for feature in codec.form.features if feature.name in names]


def _plain(column: Any, feature: Feature) -> Any:
    """Return the column as large strings or as numbers that numpy knows. NaN in an optional column means missing."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if _is_text(column.type):
        return column.cast(pa.large_string())
    if pa.types.is_decimal(column.type):
        # Convert by way of text, as JSON does: Arrow's direct conversion may be off by one bit.
        return column.cast(pa.string()).cast(pa.float64())
    if feature.optional and pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column


def _value_type(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def decided_table(batch: DecidedBatch) -> Any:
    """Return a table of row_id, prediction, probability, decision and rule.

    Model, policy, if there is one, time and batch id are in its metadata.
    """
    metadata = {
        "model_version": batch.model_version,
        "timestamp": batch.timestamp,
        "processing_time": batch.processing_time,
        "batch_id": batch.batch_id,
    }
    if batch.policy_version is not None:
        metadata["policy_version"] = batch.policy_version
    schema = pa.schema(
        [
            ("row_id", pa.int64()),
            ("prediction", pa.int8()),
            ("probability", pa.float64()),
            ("decision", pa.string()),
            ("rule", pa.string()),
        ],
        metadata=metadata,
    )
    arrays = [
        np.arange(len(batch.predictions)),
        batch.predictions.astype(np.int8),
        batch.probabilities.astype(np.float64),
        *batch.named(),
    ]
    return pa.table(arrays, schema=schema)
