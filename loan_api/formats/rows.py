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

from loan_api.credit.features import CATEGORIES, FEATURE_NAMES, FEATURES, NUMBERS, CategoryFeature
from loan_api.errors import BatchTooLargeError
from loan_api.formats.decided import DecidedBatch
from loan_api.formats.refusals import MalformedBodyError, Refusal, Refusals, RequestRefusedError
from loan_api.scoring.columns import CODES, Columns

# Naming every unknown column of a wider table would cost more than it helps.
_MAX_COLUMNS = 1000
# The names that pandas gives to an index, in Arrow, Parquet, and CSV files that it has rewritten.
_PANDAS_INDEX = re.compile(r"__index_level_\d+__|Unnamed: 0(\.\d+)?")


class DecidedRow(msgspec.Struct, gc=False):
    """The decision on one application, with its members in the order of the contract."""

    prediction: int
    probability: float
    row_id: int


def decided_rows(batch: DecidedBatch, start: int, stop: int) -> list[DecidedRow]:
    """Return the decisions from row `start` up to `stop`."""
    predictions, probabilities = batch.predictions[start:stop].tolist(), batch.probabilities[start:stop].tolist()
    return list(map(DecidedRow, predictions, probabilities, range(start, stop)))


def columns_of_structs(applications: Sequence[Any]) -> Columns:
    """Return the columns of n valid applications from the fast decoder."""
    # One long list, row after row: keeping many tuples would trigger the garbage collector repeatedly.
    values: list[Any] = []
    for application in applications:
        values += astuple(application)
    columns: dict[str, NDArray[Any]] = {}
    for place, feature in enumerate(FEATURES):
        column = values[place :: len(FEATURES)]
        if isinstance(feature, CategoryFeature):
            columns[feature.name] = np.frombuffer(bytes(map(CODES[feature.name].__getitem__, column)), np.int8)
        else:
            # Several times as fast as numpy's own conversion of Python floats.
            columns[feature.name] = np.frombuffer(pack(f"{len(column)}d", *column))
    return columns


def check_names(names: Sequence[str]) -> None:
    """Check that a table's columns are the declared features, in any order.

    Raises RequestRefusedError if a column is unknown, missing or repeated, and MalformedBodyError if no column is a
    feature, because the "names" are then probably an applicant's values.
    """
    known = set(FEATURE_NAMES)
    if known.isdisjoint(names) or len(names) > _MAX_COLUMNS:
        raise MalformedBodyError("The table must have the features as its columns and their names in its header.")
    messages = {name: [Refusal(_unknown(name, names), "unknown")] for name in names if name not in known}
    messages |= {name: [Refusal("This field is missing.", "missing")] for name in known.difference(names)}
    repeated = (name for name, times in Counter(names).items() if times > 1)
    messages |= {name: [Refusal("This column is repeated.", "unknown")] for name in repeated}
    if messages:
        raise RequestRefusedError(Refusals.of(messages))


def _unknown(name: str, names: Sequence[str]) -> str:
    # In CSV, pandas puts its index first and leaves the name empty.
    if _PANDAS_INDEX.fullmatch(name) or name == names[0] == "":
        return "This column is the index of a pandas table. Write the table with index=False."
    return "This field is not known." if name else "This column has no name."


def check_size(rows: int, max_rows: int) -> None:
    """Raise BatchTooLargeError for more than `max_rows` rows and RequestRefusedError for an empty batch."""
    if rows > max_rows:
        raise too_many(max_rows)
    if rows == 0:
        messages = {"instances": [Refusal("Must hold at least one application.", "range")]}
        raise RequestRefusedError(Refusals.of(messages))


def too_many(max_rows: int) -> BatchTooLargeError:
    """Return the error for a batch that has more rows than allowed, however many there are."""
    return BatchTooLargeError(f"The batch has more than {max_rows} rows, the maximum.")


def all_valid(columns: Mapping[str, NDArray[Any]]) -> bool:
    """Return True if every number is in range, and whole if required, and every category has a code."""
    for number in NUMBERS:
        values = columns[number.name]
        # NaN fails every comparison.
        if not bool(((values >= number.minimum) & (values <= number.maximum)).all()):
            return False
        if number.whole and not bool((values == np.trunc(values)).all()):
            return False
    return all(bool((columns[category.name] >= 0).all()) for category in CATEGORIES)
