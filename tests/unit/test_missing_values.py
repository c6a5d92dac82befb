"""A missing value of an optional feature reads the same in every format, however the format represents it."""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loan_api.adapters.storage.export import exporter_for
from loan_api.credit.decision import APPROVE
from loan_api.credit.form import parse_form
from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.codecs import ARROW, CSV, JSON, MEDIA_TYPES, NDJSON, PARQUET, format_of
from loan_api.formats.refusals import RequestRefusedError
from loan_api.scoring.columns import Application, Columns, applications_of, columns_of
from loan_api.services.audit import Endpoint
from loan_api.services.decision_chunks import DecisionChunk
from loan_api.services.decision_log import Decider
from loan_api.services.replay import replay
from tests.support.batch_bodies import as_json, as_lines, file_of, stream_of
from tests.support.fakes import NOW
from tests.support.forms import SMALL, SMALL_TEXT
from tests.support.valid_applications import valid_applications

CODEC = ApplicationCodec(SMALL)
MAX_ROWS = 20
TYPES = {
    "amount": pa.float64(),
    "income": pa.float64(),
    "months": pa.int16(),
    "age": pa.int64(),
    "purpose": pa.string(),
    "housing": pa.string(),
}
OPTIONAL = ("income", "age", "housing")
REQUIRED = ("amount", "months", "purpose")
NOTHING = dict.fromkeys(OPTIONAL)

Row = dict[str, Any]
every_format = pytest.mark.parametrize("media_type", MEDIA_TYPES)
binary_tables = pytest.mark.parametrize("media_type", [ARROW, PARQUET])


def example(**changes: Any) -> Row:
    return SMALL.example() | changes


def table_of(rows: Sequence[Row]) -> Any:
    present = [name for name in TYPES if any(name in row for row in rows)]
    return pa.table({name: pa.array([row.get(name) for row in rows], TYPES[name]) for name in present})


def as_csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, [name for name in TYPES if any(name in row for row in rows)])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


WRITERS: dict[str, Callable[[Sequence[Row]], bytes]] = {
    JSON: as_json,
    NDJSON: as_lines,
    CSV: as_csv,
    ARROW: lambda rows: stream_of(table_of(rows)),
    PARQUET: lambda rows: file_of(table_of(rows)),
}


def decode(media_type: str, body: bytes) -> Columns:
    return format_of(media_type).decode(CODEC, body, MAX_ROWS)


def written_as(media_type: str, table: Any) -> bytes:
    return stream_of(table) if media_type == ARROW else file_of(table)


def assert_same(found: Columns, rows: Sequence[Row]) -> None:
    expected = columns_of(SMALL, rows)
    assert list(found) == list(expected)
    for name, column in expected.items():
        assert found[name].dtype == column.dtype
        np.testing.assert_array_equal(found[name], column)


def pointers(media_type: str, body: bytes) -> list[str]:
    with pytest.raises(RequestRefusedError) as refused:
        decode(media_type, body)
    return [shown["pointer"] for shown in refused.value.refusals.shown]


def test_a_missing_number_is_nan_and_a_missing_category_minus_one() -> None:
    columns = columns_of(SMALL, [example(**NOTHING), example()])
    np.testing.assert_array_equal(columns["income"], [math.nan, 2500])
    np.testing.assert_array_equal(columns["age"], [math.nan, 40])
    assert columns["housing"].tolist() == [-1, 1]
    assert applications_of(SMALL, columns, [1, 0]) == [example(), example(**NOTHING)]


@every_format
def test_every_format_reads_the_same_columns(media_type: str) -> None:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(valid_applications(SMALL), min_size=1, max_size=6))
    def check(rows: list[Row]) -> None:
        assert_same(decode(media_type, WRITERS[media_type](rows)), rows)

    check()


@every_format
@pytest.mark.parametrize("absent", [["income"], ["age"], ["housing"], list(OPTIONAL)], ids="-".join)
def test_an_absent_value_is_missing(media_type: str, absent: list[str]) -> None:
    rows = [{name: value for name, value in example(amount=amount).items() if name not in absent} for amount in (1, 2)]
    assert_same(decode(media_type, WRITERS[media_type](rows)), [row | dict.fromkeys(absent) for row in rows])


@pytest.mark.parametrize("media_type", [JSON, NDJSON])
def test_rows_may_lack_different_values(media_type: str) -> None:
    rows = [{name: value for name, value in example().items() if name != absent} for absent in OPTIONAL]
    expected = [example(**{absent: None}) for absent in OPTIONAL]
    assert_same(decode(media_type, WRITERS[media_type](rows)), expected)


@every_format
@pytest.mark.parametrize("name", REQUIRED)
def test_only_optional_values_may_be_missing(media_type: str, name: str) -> None:
    rows = [example(), example(**{name: None}), example(**NOTHING)]
    assert pointers(media_type, WRITERS[media_type](rows)) == [f"/instances/1/{name}"]


@pytest.mark.parametrize("media_type", [CSV, ARROW, PARQUET])
@pytest.mark.parametrize("name", REQUIRED)
def test_only_optional_columns_may_be_absent(media_type: str, name: str) -> None:
    rows = [{key: value for key, value in example().items() if key != name}]
    assert pointers(media_type, WRITERS[media_type](rows)) == [f"/{name}"]


@every_format
def test_errors_beside_missing_values_are_found(media_type: str) -> None:
    rows = [example(**NOTHING), example(age=17, income=None), example(housing="boat", age=None), example(income=-1)]
    assert sorted(pointers(media_type, WRITERS[media_type](rows))) == [
        "/instances/1/age",
        "/instances/2/housing",
        "/instances/3/income",
    ]


@pytest.mark.parametrize("cell", ["", " ", "\t", '""', '" "'])
@pytest.mark.parametrize("name", OPTIONAL)
def test_a_blank_cell_is_missing(name: str, cell: str) -> None:
    body = as_csv([example(**{name: "CELL"}), example()]).replace(b"CELL", cell.encode())
    assert_same(decode(CSV, body), [example(**{name: None}), example()])


@pytest.mark.parametrize("cell", ["nan", "NaN", "null", "None", "NA", "inf", "-", "1_0", "٣"])
@pytest.mark.parametrize("name", ["income", "age", "housing"])
def test_a_word_for_missing_is_not_missing(name: str, cell: str) -> None:
    """Refuse markers, because one sender's marker is another one's value; the form's markers are for datasets."""
    assert pointers(CSV, as_csv([example(), example(**{name: cell})])) == [f"/instances/1/{name}"]


@binary_tables
@pytest.mark.parametrize("name", OPTIONAL)
def test_a_column_without_any_value_is_missing(media_type: str, name: str) -> None:
    table = table_of([example(), example()])
    place = table.schema.get_field_index(name)
    for column in (pa.nulls(2), pa.nulls(2, TYPES[name]), pa.nulls(2, pa.dictionary(pa.int8(), TYPES[name]))):
        body = written_as(media_type, table.set_column(place, name, column))
        assert_same(decode(media_type, body), [example(**{name: None})] * 2)


@binary_tables
@pytest.mark.parametrize(
    "kind", [pa.float16(), pa.float32(), pa.float64(), pa.dictionary(pa.int8(), pa.float64())], ids=str
)
def test_nan_means_missing_as_in_pandas(media_type: str, kind: Any) -> None:
    values = np.array([20.0, math.nan, 30.0])
    plain = pa.array(values.astype(np.float16)) if kind == pa.float16() else pa.array(values)
    column = plain.dictionary_encode() if pa.types.is_dictionary(kind) else plain.cast(kind)
    table = table_of([example()] * 3)
    body = written_as(media_type, table.set_column(table.schema.get_field_index("age"), "age", column))
    assert_same(decode(media_type, body), [example(age=20), example(age=None), example(age=30)])


@binary_tables
def test_nan_in_a_required_column_is_refused(media_type: str) -> None:
    table = table_of([example(), example(amount=math.nan)])
    assert pointers(media_type, written_as(media_type, table)) == ["/instances/1/amount"]


@binary_tables
@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("age", pa.array([None, 20], pa.int8())),
        ("age", pa.array([None, 20], pa.uint64())),
        ("age", pa.array([None, Decimal("20.00")], pa.decimal128(9, 2))),
        ("age", pa.array([None, 20], pa.int32()).dictionary_encode()),
        ("income", pa.array([None, Decimal("0.07")], pa.decimal128(9, 2))),
        ("housing", pa.array([None, "own"], pa.large_string())),
        ("housing", pa.array([None, "own"], pa.string_view())),
        ("housing", pa.array([None, "own"]).dictionary_encode()),
    ],
    ids=lambda each: each if isinstance(each, str) else str(each.type),
)
def test_nulls_are_missing_in_every_type_of_column(media_type: str, name: str, column: Any) -> None:
    table = table_of([example(), example()])
    body = written_as(media_type, table.set_column(table.schema.get_field_index(name), name, column))
    known = column.to_pylist()[1]
    value = known if isinstance(known, str) else float(known)
    assert_same(decode(media_type, body), [example(**{name: None}), example(**{name: value})])


def test_a_null_may_be_a_value_of_a_dictionary() -> None:
    """Read it as missing in Arrow streams; Parquet cannot store it."""
    column = pa.DictionaryArray.from_arrays(pa.array([1, 0]), pa.array(["own", None]))
    table = table_of([example(), example()])
    body = stream_of(table.set_column(table.schema.get_field_index("housing"), "housing", column))
    assert_same(decode(ARROW, body), [example(housing=None), example(housing="own")])


@binary_tables
def test_nulls_in_several_chunks_are_missing(media_type: str) -> None:
    rows = [example(age=None), example(age=30), example(age=None, housing=None)]
    table = pa.concat_tables([table_of([row]) for row in rows])
    assert table.column("age").num_chunks == 3
    assert_same(decode(media_type, written_as(media_type, table)), rows)


@every_format
def test_a_text_in_an_optional_number_is_refused_without_being_quoted(media_type: str) -> None:
    body = {
        JSON: as_json([example(age="secret")]),
        NDJSON: as_lines([example(age="secret")]),
        CSV: as_csv([example(age="secret")]),
    }.get(media_type) or written_as(media_type, pa.table({**table_of([example()]).to_pydict(), "age": ["secret"]}))
    with pytest.raises(RequestRefusedError) as refused:
        decode(media_type, body)
    (shown,) = refused.value.refusals.shown
    assert shown["pointer"].endswith("/age")
    assert "secret" not in shown["detail"]


def test_missing_values_are_json_null_in_recorded_applications() -> None:
    """Record an absent value as null, so that a reader need not know the form."""
    absent = {name: value for name, value in example().items() if name not in OPTIONAL}
    decoded = CODEC.decode(json.dumps(absent).encode())
    assert json.loads(json.dumps(dict(decoded))) == example(**NOTHING)


def chunk_of(rows: Sequence[Row], endpoint: Endpoint = "batch") -> DecisionChunk:
    """Return approvals of these applications with a probability of 0.75."""
    count = len(rows)
    return DecisionChunk(
        decider=Decider("small_loans_model", "1", "1.0.0", 0.5),
        endpoint=endpoint,
        ids=[f"id-{number}" for number in range(count)],
        request_ids=["r-1"] * count,
        decided_at=[NOW] * count,
        applications=columns_of(SMALL, rows),
        probabilities=np.full(count, 0.75),
        predictions=np.ones(count, np.int8),
        outcomes=[None] * count,
        decisions=np.full(count, APPROVE, np.int8),
        rules=[None] * count,
        policy=None,
    )


def test_missing_values_are_exported_as_empty_cells_and_nulls(tmp_path: Path) -> None:
    chunks = [chunk_of([example(**NOTHING), example(months=12)])]
    for name in ("decisions.csv", "decisions.parquet"):
        export = exporter_for(tmp_path / name)
        assert export is not None
        assert export(SMALL, tmp_path / name, chunks) == 2
    with (tmp_path / "decisions.csv").open(encoding="utf-8") as file:
        rows = [{name: row[name] for name in SMALL.names} for row in csv.DictReader(file)]
    assert rows == [
        {"amount": "1200.5", "income": "", "months": "24", "age": "", "purpose": "home", "housing": ""},
        {"amount": "1200.5", "income": "2500.0", "months": "12", "age": "40", "purpose": "home", "housing": "rent"},
    ]
    table = pq.read_table(tmp_path / "decisions.parquet").select(list(SMALL.names))
    assert table.to_pylist() == [example(**NOTHING), example(months=12)]
    assert table.schema.field("age").type == pa.int64()


@every_format
def test_exported_applications_can_be_scored_again(media_type: str) -> None:
    rows = [example(**NOTHING), example(age=None), example(housing=None)]
    exported = applications_of(SMALL, columns_of(SMALL, rows), [0, 1, 2])
    assert_same(decode(media_type, WRITERS[media_type]([dict(row) for row in exported])), rows)


@pytest.mark.parametrize("endpoint", ["single", "batch"])
def test_a_replay_scores_missing_values_as_they_were_scored(endpoint: Endpoint) -> None:
    chunk = chunk_of([example(**NOTHING), example(), example(income=None)], endpoint)
    scored = replay(SMALL, [chunk], lambda _: (ApproveWithIncome(), 0.5), lambda _: None)
    ((count, found),) = scored
    assert count == 3
    assert [difference.decision_id for difference in found] == ["id-0", "id-2"]


class ApproveWithIncome:
    """Scorer that approves applicants whose income is known."""

    name = "fake"
    relevant_features = None

    def probability(self, application: Application) -> float:
        return 0.25 if application["income"] is None else 0.75

    def probabilities(self, applications: Columns) -> Any:
        return np.where(np.isnan(applications["income"]), 0.25, 0.75)


def test_clients_learn_that_a_value_may_be_null() -> None:
    """Document an optional number as nullable, and a category as one of its values or null."""
    fields = CODEC.schema().fields
    assert {name: field.required for name, field in fields.items()} == {name: name in REQUIRED for name in SMALL.names}
    assert {name for name, field in fields.items() if field.allow_none} == {*OPTIONAL}
    assert fields["housing"].metadata["oneOf"][1] == {"type": "string", "nullable": True, "enum": [None]}


@pytest.mark.parametrize(("maximum", "kind"), [(84, "int32"), (2**31 - 1, "int32"), (2**31, "int64"), (2**53, "int64")])
def test_clients_get_an_integer_type_that_holds_every_value(maximum: int, kind: str) -> None:
    form = parse_form(SMALL_TEXT.replace("maximum = 84", f"maximum = {maximum}"))
    assert ApplicationCodec(form).schema().fields["months"].metadata["format"] == kind
