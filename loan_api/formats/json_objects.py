"""JSON: `{"instances": […]}` in requests, one document of decisions in responses."""

from collections.abc import Iterator
from typing import Any

import msgspec

from loan_api.formats.applications import FAST_REFUSALS, ApplicationCodec, parse_json
from loan_api.formats.decided import DecidedBatch
from loan_api.formats.rows import columns_of_structs, decided_rows
from loan_api.scoring.columns import Columns, columns_of

_encoder = msgspec.json.Encoder()


class _Answer(msgspec.Struct, gc=False):
    """The answer, with its members in the order of the contract."""

    predictions: list[Any]
    model_version: str
    timestamp: str
    batch_size: int
    processing_time: str
    batch_id: str
    policy_version: str | None


def decode(codec: ApplicationCodec, body: bytes, max_rows: int) -> Columns:
    """Decode the applications in the body."""
    try:
        instances = codec.fast_batch.decode(body).instances
    except FAST_REFUSALS:
        return columns_of(codec.form, codec.explained_batch(parse_json(body), max_rows))
    if len(instances) > max_rows:
        return columns_of(codec.form, codec.explained_batch({"instances": instances}, max_rows))
    return columns_of_structs(codec.form, instances)


def encode(batch: DecidedBatch) -> Iterator[bytes]:
    """Encode the decisions as one document."""
    yield _encoder.encode(
        _Answer(
            decided_rows(batch, 0, len(batch.predictions)),
            batch.model_version,
            batch.timestamp,
            len(batch.predictions),
            batch.processing_time,
            batch.batch_id,
            batch.policy_version,
        )
    )
