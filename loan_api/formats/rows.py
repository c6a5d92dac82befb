"""Rows and columns: what the formats have in common."""

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

# A table with more is none of ours.
_MOST_COLUMNS = 1000


class DecidedRow(msgspec.Struct, gc=False):
    """The decision on one application, its members in the order of the contract."""

    prediction: int
    probability: float
    row_id: int


def decided_rows(batch: DecidedBatch, start: int, stop: int) -> list[DecidedRow]:
    """The decisions from row `start` up to `stop`."""
    predictions, probabilities = batch.predictions[start:stop].tolist(), batch.probabilities[start:stop].tolist()
    return list(map(DecidedRow, predictions, probabilities, range(start, stop)))


def columns_of_structs(applications: Sequence[Any]) -> Columns:
    """The columns of n valid applications as the fast decoder makes them."""
    # One long list, row after row: tuples that are kept would wake the garbage collector all the time.
    values: list[Any] = []
    for application in applications:
        values += astuple(application)
    columns: dict[str, NDArray[Any]] = {}
    for place, feature in enumerate(FEATURES):
        column = values[place :: len(FEATURES)]
        if isinstance(feature, CategoryFeature):
            columns[feature.name] = np.frombuffer(bytes(map(CODES[feature.name].__getitem__, column)), np.int8)
        else:
            # Several times as quick as numpy is with Python's floats.
            columns[feature.name] = np.frombuffer(pack(f"{len(column)}d", *column))
    return columns


def check_names(names: Sequence[str]) -> None:
    """Raises RequestRefusedError unless a table's columns are the declared features, in any order.

    MalformedBodyError where none of them is a feature: then they are no names but, it may be, an applicant's values.
    """
    known = set(FEATURE_NAMES)
    if known.isdisjoint(names) or len(names) > _MOST_COLUMNS:
        raise MalformedBodyError("The table must have the features as its columns, and their names at its head.")
    messages = {name: [Refusal("This field is not known.", "unknown")] for name in names if name not in known}
    messages |= {name: [Refusal("This field is missing.", "missing")] for name in known.difference(names)}
    twice = (name for name, times in Counter(names).items() if times > 1)
    messages |= {name: [Refusal("This field is there twice.", "unknown")] for name in twice}
    if messages:
        raise RequestRefusedError(Refusals.of(messages))


def check_size(rows: int, max_rows: int) -> None:
    """Raises BatchTooLargeError for more than `max_rows`, RequestRefusedError for none."""
    if rows > max_rows:
        raise too_many(max_rows)
    if rows == 0:
        messages = {"instances": [Refusal("Must hold at least one application.", "range")]}
        raise RequestRefusedError(Refusals.of(messages))


def too_many(max_rows: int) -> BatchTooLargeError:
    """For a batch whose rows need not all be counted to know that they are too many."""
    return BatchTooLargeError(f"The batch has more than {max_rows} rows, which is the most that are accepted.")


def all_valid(columns: Mapping[str, NDArray[Any]]) -> bool:
    """Whether every number is within its range, and whole where it has to be, and every category has a code."""
    for number in NUMBERS:
        values = columns[number.name]
        # NaN fails every comparison.
        if not bool(((values >= number.minimum) & (values <= number.maximum)).all()):
            return False
        if number.whole and not bool((values == np.trunc(values)).all()):
            return False
    return all(bool((columns[category.name] >= 0).all()) for category in CATEGORIES)
