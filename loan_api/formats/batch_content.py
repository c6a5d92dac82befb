"""A batch in the decision log: a column for each feature, the probabilities, the predictions and the decisions.

MessagePack: `{"version": 1, "rows": n, "columns": {name: column}}`. A column is `{"type": NumPy's name of the type,
"data": n little-endian values}` and, for a category, `"values"`: the texts of its codes. A column has the narrowest
type that holds each of its values exactly, so ten thousand applications take about 400 kB. A missing number is NaN, a
missing category has the code -1. A reader needs no other description.

There are columns for decisions and rules if there was a policy. Without one, the predictions decide.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from loan_api.credit.decision import DECISIONS, Decision, decisions_of
from loan_api.credit.features import Feature
from loan_api.credit.form import Form
from loan_api.errors import UnreadableRecordError
from loan_api.formats.rows import missing_column
from loan_api.scoring.columns import Columns

_VERSION = 1
_PROBABILITY = "probability"
_PREDICTION = "prediction"
_DECISION = "decision"
_RULE = "rule"
_WHOLE_TYPES = (np.int8, np.int16, np.int32)


class _Column(msgspec.Struct, omit_defaults=True):
    type: str
    data: bytes
    values: tuple[str, ...] | None = None


class _Content(msgspec.Struct):
    version: int
    rows: int
    columns: dict[str, _Column]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Content)


class BatchContent(NamedTuple):
    """The content of a batch: n applications, P(approved), predictions, positions in `DECISIONS`, codes of rules."""

    applications: Columns
    probabilities: NDArray[np.float64]
    predictions: NDArray[np.int8]
    decisions: NDArray[np.int8]
    rules: Sequence[str | None]


class PolicyColumns(NamedTuple):
    """Positions in `DECISIONS` (n), and positions in the codes of the policy's rules (n), -1 for none."""

    decisions: NDArray[np.int8]
    rules: NDArray[np.int8]
    codes: tuple[str, ...]


def pack(
    form: Form,
    applications: Columns,
    probabilities: NDArray[np.float64],
    predictions: NDArray[np.int8],
    policy: PolicyColumns | None = None,
) -> bytes:
    """Pack n applications as they were scored, their P(approved) (n) and predictions (n)."""
    values = {category.name: category.values for category in form.categories}
    columns = {name: _packed(applications[name], values.get(name)) for name in form.names}
    columns[_PROBABILITY] = _Column("<f8", np.ascontiguousarray(probabilities, dtype="<f8").tobytes())
    columns[_PREDICTION] = _Column("|i1", np.ascontiguousarray(predictions, dtype=np.int8).tobytes())
    if policy is not None:
        columns[_DECISION] = _Column("|i1", policy.decisions.tobytes(), DECISIONS)
        columns[_RULE] = _Column("|i1", policy.rules.tobytes(), policy.codes)
    return _encoder.encode(_Content(_VERSION, len(probabilities), columns))


def unpack(form: Form, content: bytes) -> BatchContent:
    """Return the packed content. Raises UnreadableRecordError."""
    with _damage():
        kept = _decoded(content)
        applications = {feature.name: _feature(form, kept, feature) for feature in form.features}
        probabilities, predictions = _answers(kept)
        decisions, rules = _decided(kept, predictions)
    lengths = {len(column) for column in (*applications.values(), probabilities, predictions, decisions)}
    if lengths | {len(rules)} != {kept.rows}:
        raise UnreadableRecordError("a recorded batch is damaged (its columns differ in length)")
    return BatchContent(applications, probabilities, predictions, decisions, rules)


def unpack_answers(content: bytes) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Return the packed (probabilities, predictions), whatever the form. Raises UnreadableRecordError."""
    with _damage():
        return _answers(_decoded(content))


def unpack_decisions(content: bytes) -> tuple[NDArray[np.float64], NDArray[np.int8], Sequence[str | None]]:
    """Return the packed (probabilities, decisions, rules), whatever the form. Raises UnreadableRecordError."""
    with _damage():
        kept = _decoded(content)
        probabilities, predictions = _answers(kept)
        return probabilities, *_decided(kept, predictions)


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except (msgspec.DecodeError, LookupError, ValueError, TypeError) as error:
        raise UnreadableRecordError(f"a recorded batch is damaged ({type(error).__name__})") from error


def _decoded(content: bytes) -> _Content:
    kept = _decoder.decode(content)
    if kept.version != _VERSION:
        raise UnreadableRecordError(f"a batch was recorded in form {kept.version}, which this version cannot read")
    return kept


def _answers(kept: _Content) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    probabilities = np.frombuffer(kept.columns[_PROBABILITY].data, "<f8")
    return probabilities, np.frombuffer(kept.columns[_PREDICTION].data, np.int8)


def _decided(kept: _Content, predictions: NDArray[np.int8]) -> tuple[NDArray[np.int8], list[str | None]]:
    if _DECISION not in kept.columns:
        return decisions_of(predictions), [None] * kept.rows
    decisions, rules = kept.columns[_DECISION], kept.columns[_RULE]
    codes = np.array([DECISIONS.index(cast(Decision, text)) for text in decisions.values or ()], dtype=np.int8)
    # The code for none is last.
    texts = np.array([*(rules.values or ()), None], dtype=object)
    return codes[np.frombuffer(decisions.data, np.int8)], texts[np.frombuffer(rules.data, np.int8)].tolist()


def _packed(column: NDArray[Any], values: tuple[str, ...] | None) -> _Column:
    narrow = _narrowest(column) if values is None else column
    narrow = narrow.astype(narrow.dtype.newbyteorder("<"), copy=False)
    return _Column(narrow.dtype.str, np.ascontiguousarray(narrow).tobytes(), values)


def _narrowest(column: NDArray[Any]) -> NDArray[Any]:
    """Return the numbers in the smallest type that holds each exactly."""
    lowest, highest = column.min(), column.max()
    for kind in _WHOLE_TYPES:
        limits = np.iinfo(kind)
        if limits.min <= lowest and highest <= limits.max:
            narrow = column.astype(kind)
            return narrow if bool((narrow == column).all()) else column
    return column


def _feature(form: Form, kept: _Content, feature: Feature) -> NDArray[Any]:
    column = kept.columns.get(feature.name)
    if column is None and feature.optional:
        # Recorded before the form had this feature.
        return missing_column(feature, kept.rows)
    column = kept.columns[feature.name]
    values: NDArray[Any] = np.frombuffer(column.data, np.dtype(column.type))
    if column.values is None:
        return values.astype(np.float64)
    # The feature may have gained values since, or list them in another order.
    codes = np.array([*(form.codes[feature.name][value] for value in column.values), -1], dtype=np.int8)
    known: NDArray[Any] = codes[values]
    return known
