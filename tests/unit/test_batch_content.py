"""The recorded content of a batch is restored exactly as it was scored."""

import re
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loan_api.credit.decision import APPROVE, DECISIONS, DECLINE, REFER
from loan_api.credit.form import Form, parse_form
from loan_api.errors import UnreadableRecordError
from loan_api.formats.batch_content import PolicyColumns, pack, unpack
from loan_api.scoring.columns import applications_of, columns_of
from tests.support.applications import application
from tests.support.forms import SHIPPED, SMALL, SMALL_TEXT
from tests.support.valid_applications import valid_applications

forms = pytest.mark.parametrize("form", [SHIPPED, SMALL], ids=lambda form: form.name)


@forms
def test_it_comes_back_bit_by_bit(form: Form) -> None:
    @settings(deadline=None)
    @given(st.lists(st.tuples(valid_applications(form), st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=20))
    def check(rows: list[tuple[dict[str, Any], float, int]]) -> None:
        applications = columns_of(form, [row for row, _, _ in rows])
        probabilities = np.array([probability for _, probability, _ in rows])
        predictions = np.array([prediction for _, _, prediction in rows], dtype=np.int8)
        content = pack(form, applications, probabilities, predictions)
        kept, kept_probabilities, kept_predictions, decisions, rules = unpack(form, content)
        assert tuple(kept) == form.names
        for name, column in applications.items():
            np.testing.assert_array_equal(kept[name], column)
            assert kept[name].dtype == column.dtype
        assert kept_probabilities.tolist() == probabilities.tolist()
        assert kept_predictions.tolist() == predictions.tolist()
        assert [DECISIONS[code] for code in decisions] == ["approve" if each else "decline" for each in predictions]
        assert rules == [None] * len(rows)

    check()


def test_decisions_of_a_policy_come_back_by_name() -> None:
    decided = PolicyColumns(
        np.array([REFER, DECLINE, APPROVE, DECLINE], np.int8),
        np.array([-1, 1, 0, -1], np.int8),
        ("known_customer", "too_young"),
    )
    columns = columns_of(SMALL, [SMALL.example()] * 4)
    kept = unpack(SMALL, pack(SMALL, columns, np.full(4, 0.5), np.ones(4, dtype=np.int8), decided))
    assert [DECISIONS[code] for code in kept.decisions] == ["refer", "decline", "approve", "decline"]
    assert kept.rules == [None, "too_young", "known_customer", None]
    assert kept.predictions.tolist() == [1, 1, 1, 1]


def test_missing_values_come_back_as_missing() -> None:
    rows = [SMALL.example() | {"age": None, "income": None, "housing": None}, SMALL.example()]
    content = pack(SMALL, columns_of(SMALL, rows), np.array([0.25, 0.5]), np.array([0, 1], dtype=np.int8))
    assert applications_of(SMALL, unpack(SMALL, content)[0], [0, 1]) == rows


def test_batches_from_before_an_optional_feature_lack_its_values() -> None:
    later_tables = r"^\[(features\.(age|housing)|derived\.young_renter)\]\n(.+\n)+"
    before = parse_form(re.sub(later_tables, "", SMALL_TEXT, flags=re.MULTILINE))
    assert before.names == ("amount", "income", "months", "purpose")
    content = pack(before, columns_of(before, [before.example()]), np.array([0.25]), np.array([0], dtype=np.int8))
    assert applications_of(SMALL, unpack(SMALL, content)[0], [0]) == [SMALL.example() | {"age": None, "housing": None}]
    with pytest.raises(UnreadableRecordError):
        unpack(SHIPPED, content)


def test_values_that_have_moved_since_keep_their_meaning() -> None:
    later = parse_form(SMALL_TEXT.replace('values = ["own", "rent"]', 'values = ["with parents", "rent", "own"]'))
    rows = [SMALL.example() | {"housing": housing} for housing in ("own", "rent", None)]
    content = pack(SMALL, columns_of(SMALL, rows), np.full(3, 0.5), np.ones(3, dtype=np.int8))
    assert applications_of(later, unpack(later, content)[0], [0, 1, 2]) == rows


def test_ten_thousand_usual_applications_take_some_hundred_kilobytes() -> None:
    columns = columns_of(SHIPPED, [application()] * 10_000)
    assert len(pack(SHIPPED, columns, np.full(10_000, 0.5), np.zeros(10_000, dtype=np.int8))) < 450_000


def test_a_record_explains_itself() -> None:
    content = msgspec.msgpack.decode(
        pack(SHIPPED, columns_of(SHIPPED, [application()]), np.array([0.25]), np.array([0], dtype=np.int8))
    )
    education = content["columns"]["education"]
    codes = np.frombuffer(education["data"], np.dtype(education["type"]))
    assert [education["values"][code] for code in codes] == ["Graduate"]
    probability = content["columns"]["probability"]
    assert np.frombuffer(probability["data"], np.dtype(probability["type"])).tolist() == [0.25]


def test_damage_and_later_forms_are_reported() -> None:
    content = pack(SHIPPED, columns_of(SHIPPED, [application()]), np.array([0.25]), np.array([0], dtype=np.int8))
    later = msgspec.msgpack.decode(content) | {"version": 2}
    for broken in (content[:-1], b"", msgspec.msgpack.encode({"version": 1}), msgspec.msgpack.encode(later)):
        with pytest.raises(UnreadableRecordError):
            unpack(SHIPPED, broken)
