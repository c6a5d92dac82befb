"""The recorded content of a batch is restored exactly as it was scored."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_api.credit.features import FEATURES, CategoryFeature, Feature
from loan_api.errors import UnreadableRecordError
from loan_api.formats.batch_content import pack, unpack
from loan_api.scoring.columns import columns_of
from tests.support.applications import application


def _value(feature: Feature) -> st.SearchStrategy[Any]:
    if isinstance(feature, CategoryFeature):
        return st.sampled_from(feature.values)
    if feature.whole:
        return st.integers(feature.minimum, feature.maximum).map(float)
    return st.floats(feature.minimum, feature.maximum)


ROWS = st.fixed_dictionaries({feature.name: _value(feature) for feature in FEATURES})


@given(rows=st.lists(st.tuples(ROWS, st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=20))
def test_it_comes_back_bit_by_bit(rows: list[tuple[dict[str, Any], float, int]]) -> None:
    applications = columns_of([row for row, _, _ in rows])
    probabilities = np.array([probability for _, probability, _ in rows])
    predictions = np.array([prediction for _, _, prediction in rows], dtype=np.int8)
    kept, kept_probabilities, kept_predictions = unpack(pack(applications, probabilities, predictions))
    for name, column in applications.items():
        np.testing.assert_array_equal(kept[name], column)
    assert kept_probabilities.tolist() == probabilities.tolist()
    assert kept_predictions.tolist() == predictions.tolist()


def test_ten_thousand_usual_applications_take_some_hundred_kilobytes() -> None:
    columns = columns_of([application()] * 10_000)
    assert len(pack(columns, np.full(10_000, 0.5), np.zeros(10_000, dtype=np.int8))) < 450_000


def test_a_record_explains_itself() -> None:
    content = msgspec.msgpack.decode(pack(columns_of([application()]), np.array([0.25]), np.array([0], dtype=np.int8)))
    education = content["columns"]["education"]
    codes = np.frombuffer(education["data"], np.dtype(education["type"]))
    assert [education["values"][code] for code in codes] == ["Graduate"]
    probability = content["columns"]["probability"]
    assert np.frombuffer(probability["data"], np.dtype(probability["type"])).tolist() == [0.25]


def test_damage_and_later_forms_are_reported() -> None:
    content = pack(columns_of([application()]), np.array([0.25]), np.array([0], dtype=np.int8))
    later = msgspec.msgpack.decode(content) | {"version": 2}
    for broken in (content[:-1], b"", msgspec.msgpack.encode({"version": 1}), msgspec.msgpack.encode(later)):
        with pytest.raises(UnreadableRecordError):
            unpack(broken)
