"""Every format transports the same applications and decisions, with the same validation."""

import csv
import io
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loan_api.credit.decision import DECLINE, REFER
from loan_api.errors import BatchTooLargeError
from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.codecs import ARROW, CSV, JSON, MEDIA_TYPES, NDJSON, PARQUET, format_of
from loan_api.formats.decided import DecidedBatch
from loan_api.formats.refusals import MalformedBodyError, RequestRefusedError
from loan_api.scoring.columns import Columns, columns_of
from tests.support.applications import application
from tests.support.batch_bodies import (
    WRITERS,
    Rows,
    as_arrow,
    as_csv,
    as_lines,
    as_parquet,
    file_of,
    stream_of,
    table_of,
    with_column,
)
from tests.support.bombs import lengths_made_up, saying_small_sizes, sharing, varint
from tests.support.forms import SHIPPED
from tests.support.valid_applications import valid_applications

CODEC = ApplicationCodec(SHIPPED)
MAX_ROWS = 50
every_format = pytest.mark.parametrize("media_type", MEDIA_TYPES)
tables = pytest.mark.parametrize("media_type", [CSV, ARROW, PARQUET])
binary_tables = pytest.mark.parametrize("media_type", [ARROW, PARQUET])


def written_as(media_type: str, table: Any) -> bytes:
    return stream_of(table) if media_type == ARROW else file_of(table)


def decode(media_type: str, rows: Rows) -> Columns:
    return format_of(media_type).decode(CODEC, WRITERS[media_type](rows), MAX_ROWS)


def same(left: Columns, right: Columns) -> bool:
    return list(left) == list(right) and all(
        np.array_equal(left[name], right[name]) and left[name].dtype == right[name].dtype for name in left
    )


def pointers(media_type: str, rows: Rows) -> list[str]:
    with pytest.raises(RequestRefusedError) as refused:
        decode(media_type, rows)
    return [shown["pointer"] for shown in refused.value.refusals.shown]


@every_format
def test_the_same_applications_come_out_of_every_format(media_type: str) -> None:
    @settings(max_examples=40, deadline=None)
    @given(st.lists(valid_applications(), min_size=1, max_size=5))
    def check(rows: Rows) -> None:
        assert same(decode(media_type, rows), columns_of(SHIPPED, rows))

    check()


@every_format
def test_whole_numbers_may_be_written_as_floats(media_type: str) -> None:
    rows = [{name: float(value) if not isinstance(value, str) else value for name, value in application().items()}]
    assert same(decode(media_type, rows), columns_of(SHIPPED, [application()]))


@every_format
def test_every_error_is_found_with_its_place(media_type: str) -> None:
    rows: list[dict[str, Any]] = [application() for _ in range(6)]
    rows[1]["cibil_score"] = 299
    rows[3]["no_of_dependents"] = 2.5
    rows[3]["education"] = "PhD"
    rows[5]["income_annum"] = 0
    assert sorted(pointers(media_type, rows)) == [
        "/instances/1/cibil_score",
        "/instances/3/education",
        "/instances/3/no_of_dependents",
        "/instances/5/income_annum",
    ]


@every_format
def test_nothing_is_lost_silently(media_type: str) -> None:
    """Check that a missing value is an error in every format, however the format represents it."""
    assert pointers(media_type, [application(), application(loan_term=None)]) == ["/instances/1/loan_term"]


@every_format
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_numbers_that_are_none_are_refused(media_type: str, value: float) -> None:
    assert pointers(media_type, [application(), application(bank_asset_value=value)]) == [
        "/instances/1/bank_asset_value"
    ]


@every_format
def test_an_empty_batch_is_refused(media_type: str) -> None:
    assert pointers(media_type, []) == ["/instances"]


@every_format
def test_a_batch_that_is_too_long_is_refused(media_type: str) -> None:
    assert len(decode(media_type, [application()] * MAX_ROWS)["loan_term"]) == MAX_ROWS
    with pytest.raises(BatchTooLargeError):
        decode(media_type, [application()] * (MAX_ROWS + 1))


@every_format
@pytest.mark.parametrize("body", [b"\x00\xff\xfe", b'{"a": "secret', b"PAR1 secret PAR1", b'"secret\n'])
def test_what_cannot_be_read_is_refused_without_being_quoted(media_type: str, body: bytes) -> None:
    with pytest.raises((MalformedBodyError, RequestRefusedError)) as refused:
        format_of(media_type).decode(CODEC, body, MAX_ROWS)
    assert "secret" not in str(refused.value)


@tables
def test_columns_may_come_in_any_order(media_type: str) -> None:
    row = dict(reversed(application(income_annum=1234.5).items()))
    assert same(decode(media_type, [row]), columns_of(SHIPPED, [application(income_annum=1234.5)]))


@tables
def test_the_columns_must_be_the_features(media_type: str) -> None:
    row: dict[str, Any] = application() | {"applicant": "x"}
    del row["loan_term"]
    assert sorted(pointers(media_type, [row, row])) == ["/applicant", "/loan_term"]


@pytest.mark.parametrize("cell", ["1_000", " ", "1,5", "٣", "0x10", "five", "true", "1e999", "nan"])
def test_a_cell_that_is_no_number_is_refused(cell: str) -> None:
    assert pointers(CSV, [application(), application(loan_term=cell)]) == ["/instances/1/loan_term"]


def test_csv_is_read_as_spreadsheets_write_it() -> None:
    """Accept a byte order mark, carriage returns, spaces and quotes around cells, and empty lines."""
    text = as_csv([application()]).decode().replace("Graduate", '" Graduate "').replace(",", ", ")
    body = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n\r\n"
    assert same(format_of(CSV).decode(CODEC, body, MAX_ROWS), columns_of(SHIPPED, [application()]))


@pytest.mark.parametrize("body", [b"", b"\n", b"a,b\n1\n", b'"open\n', b"\xff\xfe"])
def test_a_broken_csv_is_refused(body: bytes) -> None:
    with pytest.raises((MalformedBodyError, RequestRefusedError)):
        format_of(CSV).decode(CODEC, body, MAX_ROWS)


def test_a_row_with_too_few_cells_is_named() -> None:
    body = as_csv([application()] * 2).rpartition(b",")[0]
    with pytest.raises(MalformedBodyError, match=r"^Line 3 has 10 cells, but the header has 11\.$"):
        format_of(CSV).decode(CODEC, body, MAX_ROWS)


def test_spaces_after_a_closing_quote_do_not_matter() -> None:
    body = as_csv([application()]).replace(b"Graduate", b'"Graduate" ').replace(b"Yes", b'"Yes"\t')
    assert same(format_of(CSV).decode(CODEC, body, MAX_ROWS), columns_of(SHIPPED, [application()]))


def test_rows_of_empty_cells_are_skipped() -> None:
    body = as_csv([application()]) + b",,,,,,,,,,\r\n, ,\r\n"
    assert same(format_of(CSV).decode(CODEC, body, MAX_ROWS), columns_of(SHIPPED, [application()]))


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_another_separator_is_named(separator: str, name: str) -> None:
    body = as_csv([application(income_annum="1,5")]).replace(b",", separator.encode())
    with pytest.raises(MalformedBodyError, match=rf"^The cells are separated by {name}\. Separate them by commas\.$"):
        format_of(CSV).decode(CODEC, body, MAX_ROWS)


@pytest.mark.parametrize(
    ("media_type", "name"),
    [
        (CSV, ""),
        (CSV, "Unnamed: 0"),
        (CSV, "__index_level_0__"),
        (ARROW, "__index_level_0__"),
        (PARQUET, "__index_level_0__"),
    ],
)
def test_the_index_column_of_pandas_is_named(media_type: str, name: str) -> None:
    with pytest.raises(RequestRefusedError) as refused:
        decode(media_type, [{name: 0} | application()])
    (shown,) = refused.value.refusals.shown
    assert shown == {
        "pointer": f"/{name}",
        "detail": "This column is the index of a pandas table. Write the table with index=False.",
    }


def test_a_column_without_a_name_elsewhere_is_not_an_index() -> None:
    with pytest.raises(RequestRefusedError) as refused:
        decode(CSV, [application() | {"": 0}])
    assert [shown["detail"] for shown in refused.value.refusals.shown] == ["This column has no name."]


def test_a_line_that_is_no_json_is_named() -> None:
    with pytest.raises(MalformedBodyError, match=r"^Line 2 is not valid JSON\.$"):
        format_of(NDJSON).decode(CODEC, as_lines([application()]) + b"\n{", MAX_ROWS)


@pytest.mark.parametrize(
    "body",
    [
        as_lines([application()]) + b" " + as_lines([application()]),
        as_lines([application()]).replace(b", ", b",\n", 1),
        as_lines([application()]).replace(b"Graduate", b"Gradu\xff"),
    ],
    ids=["two on a line", "one on two lines", "not UTF-8"],
)
def test_an_application_is_a_line_and_a_line_an_application(body: bytes) -> None:
    with pytest.raises(MalformedBodyError, match=r"^Line 1 is not valid JSON\.$"):
        format_of(NDJSON).decode(CODEC, body, MAX_ROWS)


def test_a_stream_that_goes_on_after_its_end_is_refused() -> None:
    """Refuse data after the end of the stream, which would otherwise be ignored silently."""
    body = as_arrow([application()])
    for more in (body, b"zz"):
        with pytest.raises(MalformedBodyError):
            format_of(ARROW).decode(CODEC, body + more, MAX_ROWS)


def test_a_table_without_a_head_does_not_give_an_applicant_s_values_away() -> None:
    body = as_csv([application()] * 2).partition(b"\n")[2]
    with pytest.raises(MalformedBodyError) as refused:
        format_of(CSV).decode(CODEC, body, MAX_ROWS)
    assert "Graduate" not in str(refused.value)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())], ids=str)
@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_stream_that_unpacks_to_far_too_much_is_refused(codec: str, kind: Any) -> None:
    table = with_column("education", pa.array(["x" * 60_000_000, "Graduate"]).cast(kind))
    body = stream_of(table, options=pa.ipc.IpcWriteOptions(compression=codec))
    assert len(body) < 300_000
    with pytest.raises(BatchTooLargeError, match="unpacks to more"):
        format_of(ARROW).decode(CODEC, body, MAX_ROWS)


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_stream_may_be_compressed(codec: str) -> None:
    body = stream_of(table_of([application()] * MAX_ROWS), options=pa.ipc.IpcWriteOptions(compression=codec))
    assert same(format_of(ARROW).decode(CODEC, body, MAX_ROWS), columns_of(SHIPPED, [application()] * MAX_ROWS))


@pytest.mark.parametrize("claimed", [-2, -(2**62), 2**21, 2**62])
def test_a_false_length_of_a_compressed_buffer_is_refused(claimed: int) -> None:
    rows = [application()] * MAX_ROWS
    body = stream_of(table_of(rows), options=pa.ipc.IpcWriteOptions(compression="zstd"))
    length = (MAX_ROWS * 8).to_bytes(8, "little")
    assert length in body
    with pytest.raises((MalformedBodyError, MemoryError)):
        format_of(ARROW).decode(CODEC, body.replace(length, claimed.to_bytes(8, "little", signed=True), 1), MAX_ROWS)


def test_a_dictionary_that_makes_up_its_length_is_refused_unread() -> None:
    """Refuse it early, as Arrow would read out of bounds and crash when computing the batch's size."""
    with pytest.raises(MalformedBodyError):
        format_of(ARROW).decode(CODEC, lengths_made_up(), MAX_ROWS)


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint16(), pa.int64(), pa.float16(), pa.float32(), pa.float64()])
def test_any_type_of_number_is_a_number(kind: Any) -> None:
    table = table_of([application(loan_term=12)] * 3)
    place = table.schema.get_field_index("loan_term")
    table = table.set_column(place, "loan_term", table.column(place).cast(pa.float64()).cast(kind))
    assert same(
        format_of(ARROW).decode(CODEC, stream_of(table), MAX_ROWS), columns_of(SHIPPED, [application(loan_term=12)] * 3)
    )


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
def test_any_type_of_text_is_a_text(kind: Any) -> None:
    table = table_of([application()] * 3)
    place = table.schema.get_field_index("education")
    table = table.set_column(place, "education", table.column(place).cast(kind))
    for media_type, body in ((ARROW, stream_of(table)), (PARQUET, file_of(table))):
        assert same(format_of(media_type).decode(CODEC, body, MAX_ROWS), columns_of(SHIPPED, [application()] * 3))


@binary_tables
@pytest.mark.parametrize(
    "kind", [pa.decimal128(9, 2), pa.decimal256(50, 10), pa.dictionary(pa.int8(), pa.decimal128(9, 2))], ids=str
)
def test_decimals_are_numbers(media_type: str, kind: Any) -> None:
    values = [Decimal("12345.67"), Decimal("0.07"), Decimal("1000000.00")]
    column = pa.array(values, getattr(kind, "value_type", kind))
    table = with_column("bank_asset_value", column.cast(kind) if column.type == kind else column.dictionary_encode())
    expected = columns_of(SHIPPED, [application(bank_asset_value=float(value)) for value in values])
    assert same(format_of(media_type).decode(CODEC, written_as(media_type, table), MAX_ROWS), expected)


@binary_tables
def test_a_fraction_in_a_decimal_column_is_refused_where_it_stands(media_type: str) -> None:
    table = with_column("loan_term", pa.array([Decimal("12.0"), Decimal("12.5")]))
    with pytest.raises(RequestRefusedError) as refused:
        format_of(media_type).decode(CODEC, written_as(media_type, table), MAX_ROWS)
    assert [shown["pointer"] for shown in refused.value.refusals.shown] == ["/instances/1/loan_term"]


@binary_tables
@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("loan_term", pa.array([True, False]), "bool"),
        ("loan_term", pa.array(["12", "12"]), "string"),
        ("loan_term", pa.array([[12], [12]]), "list"),
        ("loan_term", pa.array([{"secret": 12}] * 2), "struct"),
        ("loan_term", pa.array([12, 12]).cast(pa.timestamp("us")), "timestamp[us]"),
        ("loan_term", pa.array([12, 12]).cast(pa.timestamp("us", "secret")), "timestamp"),
        ("loan_term", pa.array([12, 12], pa.int32()).cast(pa.date32()), "date32[day]"),
        ("loan_term", pa.array([b"12", b"12"]), "binary"),
        ("education", pa.array([1, 2]), "int64"),
        ("education", pa.array([b"Graduate"] * 2).dictionary_encode(), "binary"),
    ],
)
def test_a_column_of_another_type_is_refused_by_its_type(media_type: str, name: str, values: Any, kind: str) -> None:
    body = written_as(media_type, with_column(name, values))
    with pytest.raises(RequestRefusedError) as refused:
        format_of(media_type).decode(CODEC, body, MAX_ROWS)
    (shown,) = refused.value.refusals.shown
    assert shown["pointer"] == f"/{name}"
    assert shown["detail"].endswith(f"The column's type is {kind}.")
    assert "secret" not in shown["detail"]
    assert refused.value.refusals.counts == {(name, "type"): 1}


def test_a_column_without_any_value_is_refused_row_by_row() -> None:
    body = stream_of(with_column("loan_term", pa.array([None, None])))
    with pytest.raises(RequestRefusedError) as refused:
        format_of(ARROW).decode(CODEC, body, MAX_ROWS)
    assert refused.value.refusals.counts == {("loan_term", "null"): 2}


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("honest", [True, False])
def test_a_file_that_unpacks_to_far_too_much_is_refused(honest: bool, version: str) -> None:
    """Refuse it regardless of the sizes that its metadata claims."""
    table = table_of([application(education="x" * 60_000_000)])
    body = file_of(table, compression="zstd", write_statistics=False, data_page_version=version)
    with pytest.raises(BatchTooLargeError, match="unpacks to more"):
        format_of(PARQUET).decode(CODEC, body if honest else saying_small_sizes(body), MAX_ROWS)


def test_a_file_with_more_at_its_end_than_in_it_is_refused_unread() -> None:
    file = as_parquet([application()])
    length = pq.read_metadata(io.BytesIO(file)).serialized_size
    pages, metadata = file[: -length - 8], file[-length - 8 : -8]
    # An unknown field, a list of numbers, before the end of the struct.
    more = metadata[:-1] + (b"\x19\xf5" + varint(900_000) + b"\0" * 900_000) * 6 + b"\0"
    with pytest.raises(MalformedBodyError, match="metadata"):
        format_of(PARQUET).decode(CODEC, pages + more + len(more).to_bytes(4, "little") + b"PAR1", MAX_ROWS)


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_file_may_be_written_in_any_way(version: str, codec: str) -> None:
    rows = [application(cibil_score=300 + number) for number in range(MAX_ROWS)]
    for options in (
        {"write_page_checksum": True},
        {"use_dictionary": False, "data_page_size": 20, "row_group_size": 7},
    ):
        body = file_of(table_of(rows), compression=codec, data_page_version=version, **options)
        assert same(format_of(PARQUET).decode(CODEC, body, MAX_ROWS), columns_of(SHIPPED, rows))


@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_texts_may_have_any_encoding(version: str, encoding: str) -> None:
    rows = [application(), application(education="Not Graduate")] * 20
    body = file_of(
        table_of(rows), use_dictionary=False, column_encoding={"education": encoding}, data_page_version=version
    )
    assert same(format_of(PARQUET).decode(CODEC, body, MAX_ROWS), columns_of(SHIPPED, rows))


def test_numbers_may_have_any_encoding() -> None:
    encodings = {"loan_term": "DELTA_BINARY_PACKED", "income_annum": "BYTE_STREAM_SPLIT"}
    body = file_of(table_of([application()] * 3), use_dictionary=False, column_encoding=encodings)
    assert same(format_of(PARQUET).decode(CODEC, body, MAX_ROWS), columns_of(SHIPPED, [application()] * 3))


def test_what_is_not_supported_is_not_called_invalid() -> None:
    body = as_parquet([application()])
    # Field 4 of the column metadata is the codec: change it from 1 (Snappy) to 3 (LZO).
    unsupported = body.replace(b"\x15\x02\x16", b"\x15\x06\x16")
    assert unsupported != body
    for broken in (unsupported, body[:-4] + b"PARE"):
        with pytest.raises(MalformedBodyError, match="not supported"):
            format_of(PARQUET).decode(CODEC, broken, MAX_ROWS)
    with pytest.raises(MalformedBodyError, match="not a valid Parquet file"):
        format_of(PARQUET).decode(CODEC, body[10:], MAX_ROWS)


def test_an_arrow_file_is_not_a_stream() -> None:
    table = table_of([application()])
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(MalformedBodyError, match="Send an Arrow stream"):
        format_of(ARROW).decode(CODEC, sink.getvalue(), MAX_ROWS)


@pytest.mark.parametrize("name", ["education", "cibil_score"])
@pytest.mark.parametrize(
    "kind",
    [
        pa.dictionary(pa.int8(), pa.string()),
        pa.run_end_encoded(pa.int32(), pa.string()),
        pa.list_(pa.null(), 400_000),
        pa.string_view(),
    ],
    ids=str,
)
def test_a_few_bytes_that_stand_for_many_in_each_row_are_refused(name: str, kind: Any) -> None:
    table = sharing(kind, name, 2000)
    bodies = [(ARROW, stream_of(table))]
    if pa.types.is_dictionary(kind):
        bodies.append((PARQUET, file_of(table, store_schema=False)))
    for media_type, body in bodies:
        with memory_within(300_000_000), pytest.raises((RequestRefusedError, BatchTooLargeError, MemoryError)):
            format_of(media_type).decode(CODEC, body, 10_000)


@contextmanager
def memory_within(most: int) -> Iterator[None]:
    """Limit this process to allocating `most` more bytes during the block."""
    held = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (held + most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def test_a_text_with_spaces_after_it_is_not_valid() -> None:
    with pytest.raises(RequestRefusedError):
        decode(ARROW, [application(education="Graduate" + " " * 100)])


DECIDED = DecidedBatch(
    np.array([1, 0]),
    np.array([0.9, 1 / 3]),
    "1.0.0",
    "2024-03-13T10:30:00Z",
    "0.001s",
    "id-1",
    np.array([DECLINE, REFER], np.int8),
    np.array([1, -1], np.int8),
    ("too_young", "too_much"),
    "2026-11",
)
EXPECTED = [
    {"row_id": 0, "prediction": 1, "probability": 0.9, "decision": "decline", "rule": "too_much"},
    {"row_id": 1, "prediction": 0, "probability": 1 / 3, "decision": "refer", "rule": None},
]


def written(media_type: str) -> bytes:
    return b"".join(format_of(media_type).encode(DECIDED))


def test_decisions_are_the_same_in_every_format() -> None:
    document = json.loads(written(JSON))
    assert (document["predictions"], document["policy_version"]) == (EXPECTED, "2026-11")
    assert [json.loads(line) for line in written(NDJSON).splitlines()] == EXPECTED
    rows = csv.DictReader(io.StringIO(written(CSV).decode()))
    assert [
        {
            "row_id": int(r["row_id"]),
            "prediction": int(r["prediction"]),
            "probability": float(r["probability"]),
            "decision": r["decision"],
            "rule": r["rule"] or None,
        }
        for r in rows
    ] == EXPECTED
    for table in (pa.ipc.open_stream(written(ARROW)).read_all(), pq.read_table(io.BytesIO(written(PARQUET)))):
        assert table.to_pylist() == EXPECTED
        assert table.schema.metadata[b"model_version"] == b"1.0.0"
        assert table.schema.metadata[b"policy_version"] == b"2026-11"


def test_every_number_is_checked_in_tables() -> None:
    for number in SHIPPED.numbers:
        for value in (number.minimum - 1, number.maximum * 2 + 1):
            assert pointers(ARROW, [application(**{number.name: value})]) == [f"/instances/0/{number.name}"]
