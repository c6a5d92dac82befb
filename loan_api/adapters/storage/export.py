"""Export of recorded decisions, chunk by chunk, to files for other tools."""

import csv
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from loan_api.credit.decision import DECISIONS
from loan_api.credit.features import CategoryFeature, Feature
from loan_api.credit.form import Form
from loan_api.errors import StorageError
from loan_api.formats.timestamps import exact_utc_text
from loan_api.scoring.columns import texts
from loan_api.services.decision_chunks import DecisionChunk

Export = Callable[[Form, Path, Iterable[DecisionChunk]], int]

_BEFORE = ("decision_id", "endpoint", "request_id", "decided_at")
_DECIDER = ("model_name", "registry_version", "model_version", "threshold")
_AFTER = ("probability", "prediction", "outcome", "decision", "rule", "policy_version")


def exporter_for(file: Path) -> Export | None:
    """Return the function that writes the file's format and returns the number of decisions; None if unknown.

    The file appears once it is complete. The function raises StorageError if the folder cannot be written to.
    """
    return {".csv": _export_csv, ".parquet": _export_parquet}.get(file.suffix.lower())


def _export_csv(form: Form, file: Path, chunks: Iterable[DecisionChunk]) -> int:
    rows = 0
    with draft_of(file) as draft, draft.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow((*_BEFORE, *_DECIDER, *form.names, *_AFTER))
        for chunk in chunks:
            columns = _columns(form, chunk)
            columns["decided_at"] = [exact_utc_text(moment) for moment in chunk.decided_at]
            writer.writerows(zip(*columns.values(), strict=True))
            rows += len(chunk)
    return rows


def _export_parquet(form: Form, file: Path, chunks: Iterable[DecisionChunk]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [(name, pa.string()) for name in _BEFORE[:3]]
        + [("decided_at", pa.timestamp("us", tz="UTC"))]
        + [(name, pa.string()) for name in _DECIDER[:3]]
        + [("threshold", pa.float64())]
        + [(feature.name, _arrow_type(pa, feature)) for feature in form.features]
        + [("probability", pa.float64()), ("prediction", pa.int8()), ("outcome", pa.int8())]
        + [(name, pa.string()) for name in _AFTER[3:]]
    )
    rows = 0
    with draft_of(file) as draft, pq.ParquetWriter(draft, schema, compression="zstd") as writer:
        for chunk in chunks:
            writer.write_table(pa.table(_columns(form, chunk), schema=schema))
            rows += len(chunk)
    return rows


@contextmanager
def draft_of(file: Path) -> Iterator[Path]:
    """Yield a draft that replaces the file after the block succeeds. Only its owner may read it."""
    try:
        made = TemporaryDirectory(dir=file.parent, prefix=".export-")
    except OSError as error:
        # The original error would name the draft.
        raise StorageError(f"the folder cannot be written to: {file.parent} ({error.strerror})") from error
    with made as folder:
        draft = Path(folder, file.name)
        draft.touch(mode=0o600)
        yield draft
        draft.replace(file)


def _arrow_type(pa: Any, feature: Feature) -> Any:
    if isinstance(feature, CategoryFeature):
        return pa.string()
    return pa.int64() if feature.whole else pa.float64()


def _columns(form: Form, chunk: DecisionChunk) -> dict[str, list[Any]]:
    rows = len(chunk)
    columns = texts(form, chunk.applications)
    return {
        "decision_id": list(chunk.ids),
        "endpoint": [chunk.endpoint] * rows,
        "request_id": list(chunk.request_ids),
        "decided_at": list(chunk.decided_at),
        **{name: [value] * rows for name, value in chunk.decider.to_public().items()},
        **{feature.name: _values(feature, columns[feature.name].tolist()) for feature in form.features},
        "probability": chunk.probabilities.tolist(),
        "prediction": chunk.predictions.tolist(),
        "outcome": list(chunk.outcomes),
        "decision": [DECISIONS[code] for code in chunk.decisions.tolist()],
        "rule": list(chunk.rules),
        "policy_version": [chunk.policy and chunk.policy.version] * rows,
    }


def _values(feature: Feature, values: list[Any]) -> list[Any]:
    """Return the values as clients send them: whole numbers as integers, missing ones as None."""
    if isinstance(feature, CategoryFeature):
        return values
    if feature.optional:
        values = [None if math.isnan(value) else value for value in values]
    return [None if value is None else int(value) for value in values] if feature.whole else values
