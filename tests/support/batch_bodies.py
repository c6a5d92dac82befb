"""Batches of applications as bodies in every format."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from loan_api.formats.codecs import ARROW, CSV, JSON, NDJSON, PARQUET
from tests.support.applications import application
from tests.support.forms import SHIPPED

Rows = Sequence[dict[str, Any]]


def as_json(rows: Rows) -> bytes:
    return json.dumps({"instances": rows}).encode()


def as_lines(rows: Rows) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def as_csv(rows: Rows) -> bytes:
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row)) or list(SHIPPED.names)
    writer = csv.DictWriter(text, fieldnames=names)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def table_of(rows: Rows) -> Any:
    return pa.Table.from_pylist(list(rows)) if rows else pa.table({name: pa.array([]) for name in SHIPPED.names})


def as_arrow(rows: Rows) -> bytes:
    return stream_of(table_of(rows))


def stream_of(table: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, **options) as writer:
        writer.write_table(table)
    return sink.getvalue()


def as_parquet(rows: Rows) -> bytes:
    return file_of(table_of(rows))


def file_of(table: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


WRITERS: dict[str, Callable[[Rows], bytes]] = {
    JSON: as_json,
    NDJSON: as_lines,
    CSV: as_csv,
    ARROW: as_arrow,
    PARQUET: as_parquet,
}


def with_column(name: str, values: Any) -> Any:
    table = table_of([application()] * len(values))
    return table.set_column(table.schema.get_field_index(name), name, values)
