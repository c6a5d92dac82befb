"""Seed corpus: small generated bodies that are valid or have one error."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.parquet as pq

from loan_api.adapters.recording.protocol import Records, encode
from loan_api.entrypoints.desk.application_form import example_values, groups_of
from loan_api.formats.codecs import ARROW, CSV, JSON, NDJSON, PARQUET
from loan_api.services.decision_log import BatchRecord, Decider, DecisionRecord
from tests.support.forms import GERMAN, SHIPPED
from tests.support.policies import EXAMPLE, TEN_RULES

# Stands in for an applicant's value and must never be returned.
CANARY = "hunter2"


def applications() -> Sequence[Mapping[str, Any]]:
    """Return two valid applications and an invalid one."""
    valid = SHIPPED.example()
    return [valid, valid | {"self_employed": "No"}, valid | {"education": CANARY}]


def bodies() -> Mapping[str, Sequence[bytes]]:
    """Return valid and invalid batches in each format."""
    batches = [applications()[:2], applications()]
    return {
        JSON: [json.dumps({"instances": batch}).encode() for batch in batches],
        NDJSON: [b"\n".join(json.dumps(row).encode() for row in batch) for batch in batches],
        CSV: [_csv(SHIPPED.names, batch) for batch in batches],
        ARROW: [_arrow(table, packed) for batch in batches for table in _tables(batch) for packed in (None, "zstd")],
        PARQUET: [
            _parquet(table, packed) for batch in batches for table in _tables(batch) for packed in ("none", "zstd")
        ],
    }


def single_bodies() -> Sequence[bytes]:
    """Return bodies with one application each."""
    return [json.dumps(application).encode() for application in applications()]


def datasets() -> Sequence[bytes]:
    """Return a valid dataset and an invalid one."""
    outcomes = ("Approved", "Rejected", "Approved")
    identifier, label = str(SHIPPED.dataset.identifier), SHIPPED.outcome.column
    rows = [
        {identifier: number, **application, label: outcome}
        for number, (application, outcome) in enumerate(zip(applications(), outcomes, strict=True))
    ]
    return [_csv(list(rows[0]), rows[:2]), _csv(list(rows[0]), rows)]


def forms() -> Sequence[bytes]:
    """Return valid forms."""
    return [form.text.encode() for form in (SHIPPED, GERMAN)]


def submissions() -> Sequence[bytes]:
    """Return forms of the desk as browsers submit them: valid, and with an error in every field."""
    fields = groups_of(SHIPPED, example_values(SHIPPED), {})
    named = {field.input: field.value for group in fields for field in group.fields}
    return [urlencode(named).encode(), urlencode(dict.fromkeys(named, CANARY)).encode()]


def policies() -> Sequence[bytes]:
    """Return a valid policy, and one for another form."""
    return [EXAMPLE.read_bytes(), TEN_RULES.encode()]


def recorded() -> Sequence[bytes]:
    """Return messages as sent to the recorder and written to its journal."""
    decider = Decider("loan_approval_model", "1", "1.0.0", 0.5)
    at = datetime(2024, 3, 13, tzinfo=UTC)
    decision = DecisionRecord("d-1", "r-1", at, decider, json.dumps(SHIPPED.example()).encode(), 0.75, 1)
    batch = BatchRecord("b-1", "r-2", at, decider, 2, 1, b"packed")
    return [encode(Records([], [])), encode(Records([decision], [])), encode(Records([decision], [batch]))]


def _csv(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _tables(batch: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
    table = pa.Table.from_pylist(list(batch))
    place = table.schema.get_field_index("education")
    return [table, table.set_column(place, "education", table.column(place).dictionary_encode())]


def _arrow(table: Any, packed: str | None) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=packed)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _parquet(table: Any, packed: str) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression=packed)
    return sink.getvalue()
