"""Rows and columns: checks and conversions shared by the formats."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from struct import pack
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from loan_api.credit.features import CategoryFeature, Feature
from loan_api.credit.form import Form
from loan_api.errors import BatchTooLargeError
from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.decided import DecidedBatch
from loan_api.formats.refusals import MalformedBodyError, Refusal
from loan_api.scoring.columns import Columns

# Naming every unknown column of a wider table would cost more than it helps.
_MAX_COLUMNS = 1000
UNDECLARED = -2
# The names that pandas gives to an index, in Arrow, Parquet, and CSV files that it has rewritten.
_PANDAS_INDEX = re.compile(r"__index_level_\d+__|Unnamed: 0(\.\d+)?")


class DecidedRow(msgspec.Struct, gc=False):
    """The decision on one application, with its members in the order of the contract."""

    prediction: int
    probability: float
    row_id: int
    decision: str
    rule: str | None


def decided_rows(batch: DecidedBatch, start: int, stop: int) -> list[DecidedRow]:
    """Return the decisions from row `start` up to `stop`."""
    predictions, probabilities = batch.predictions[start:stop].tolist(), batch.probabilities[start:stop].tolist()
    return list(map(DecidedRow, predictions, probabilities, range(start, stop), *batch.named(start, stop)))


def columns_of_structs(form: Form, applications: Sequence[Any]) -> Columns:
    """Return the columns of n valid applications from the fast decoder."""
    # One long list, row after row: keeping many tuples would trigger the garbage collector repeatedly.
    values: list[Any] = []
    for application in applications:
        values += astuple(application)
    columns: dict[str, NDArray[Any]] = {}
    for place, feature in enumerate(form.features):
        column = values[place :: len(form.features)]
        if isinstance(feature, CategoryFeature):
            codes = map(form.codes[feature.name].__getitem__, column)
            # Bytes are faster, but cannot be negative.
            columns[feature.name] = (
                np.fromiter(codes, np.int8, len(column)) if feature.optional else np.frombuffer(bytes(codes), np.int8)
            )
        elif feature.optional:
            # None becomes NaN.
            columns[feature.name] = np.array(column, dtype=np.float64)
        else:
            # Several times as fast as numpy's own conversion of Python floats.
            columns[feature.name] = np.frombuffer(pack(f"{len(column)}d", *column))
    return columns


def missing_column(feature: Feature, rows: int) -> NDArray[Any]:
    """Return the column of an optional feature that a table does not have."""
    return np.full(rows, -1, np.int8) if isinstance(feature, CategoryFeature) else np.full(rows, np.nan)


def check_names(codec: ApplicationCodec, names: Sequence[str]) -> None:
    """Check that a table's columns are the form's features, in any order. Optional ones may be absent.

    Raises RequestRefusedError if a column is unknown, missing or repeated, and MalformedBodyError if no column is a
    feature, because the "names" are then probably an applicant's values.
    """
    known = set(codec.form.names)
    required = {feature.name for feature in codec.form.features if not feature.optional}
    if known.isdisjoint(names) or len(names) > _MAX_COLUMNS:
        raise MalformedBodyError("The table must have the features as its columns and their names in its header.")
    messages = {name: [Refusal(_unknown(name, names), "unknown")] for name in names if name not in known}
    messages |= {name: [Refusal("This field is missing.", "missing")] for name in required.difference(names)}
    repeated = (name for name, times in Counter(names).items() if times > 1)
    messages |= {name: [Refusal("This column is repeated.", "unknown")] for name in repeated}
    if messages:
        raise codec.refused(messages)


def _unknown(name: str, names: Sequence[str]) -> str:
    # In CSV, pandas puts its index first and leaves the name empty.
    if _PANDAS_INDEX.fullmatch(name) or name == names[0] == "":
        return "This column is the index of a pandas table. Write the table with index=False."
    return "This field is not known." if name else "This column has no name."


def check_size(codec: ApplicationCodec, rows: int, max_rows: int) -> None:
    """Raise BatchTooLargeError for more than `max_rows` rows and RequestRefusedError for an empty batch."""
    if rows > max_rows:
        raise too_many(max_rows)
    if rows == 0:
        raise codec.refused({"instances": [Refusal("Must hold at least one application.", "range")]})


def too_many(max_rows: int) -> BatchTooLargeError:
    """Return the error for a batch that has more rows than allowed, however many there are."""
    return BatchTooLargeError(f"The batch has more than {max_rows} rows, the maximum.")


def all_valid(form: Form, columns: Mapping[str, NDArray[Any]]) -> bool:
    """Return True if every number is in range, and whole if required, and every category has a code.

    Optional features may be missing. A category that is neither missing nor declared has the code `UNDECLARED`.
    """
    for number in form.numbers:
        values = columns[number.name]
        if number.optional:
            values = values[~np.isnan(values)]
        # NaN fails every comparison.
        if not bool(((values >= number.minimum) & (values <= number.maximum)).all()):
            return False
        if number.whole and not bool((values == np.trunc(values)).all()):
            return False
    return all(bool((columns[each.name] >= (-1 if each.optional else 0)).all()) for each in form.categories)
