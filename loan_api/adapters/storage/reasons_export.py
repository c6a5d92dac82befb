"""Export of reasons to a Parquet file, in parts, so that an interrupted export resumes where it stopped."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from loan_api.adapters.storage.export import draft_of
from loan_api.errors import StorageError
from loan_api.services.bulk_reasons import ExplainedChunk, Unexplained

_LEFT_OUT = b"left_out"
# Decisions in a part: few enough that little work is lost, many enough that there are few files.
_PART_ROWS = 5000
_SCHEMA = pa.schema(
    [
        ("decision_id", pa.string()),
        ("decided_at", pa.timestamp("us", tz="UTC")),
        ("model_name", pa.string()),
        ("model_version", pa.string()),
        ("probability", pa.float64()),
        ("baseline", pa.float64()),
        ("exact", pa.bool_()),
        ("standard_error", pa.float64()),
        ("contributions", pa.map_(pa.string(), pa.float64())),
        (
            "reasons",
            pa.list_(
                pa.struct(
                    [
                        ("code", pa.string()),
                        ("text", pa.string()),
                        ("features", pa.list_(pa.string())),
                        ("contribution", pa.float64()),
                    ]
                )
            ),
        ),
    ]
)


@dataclass
class LeftOut:
    """Decisions that are not in the file: refusals that could not be explained, and ids of damaged records."""

    unexplained: Unexplained = field(default_factory=Unexplained)
    unreadable: list[str] = field(default_factory=list)


class ReasonsExport:
    """Exports one selection of decisions to one file; finished parts wait in a folder next to it.

    `left_out` is filled by the caller. Each part holds its state, so that an export that resumes reports everything.
    """

    def __init__(self, file: Path, selection: str, groups: list[str]) -> None:
        digest = hashlib.sha256(f"{file.name}\n{selection}".encode()).hexdigest()[:12]
        self._file = file
        self._groups = groups
        self._folder = file.parent / f".reasons-{digest}"
        self.left_out = self._left_out()

    @property
    def finished(self) -> str:
        """The id of the last record in the finished parts, or an empty text."""
        return self._parts[-1].stem if self._parts else ""

    @property
    def rows(self) -> int:
        """The number of decisions in the finished parts."""
        return sum(pq.read_metadata(part).num_rows for part in self._parts)

    def write(self, chunks: Iterable[ExplainedChunk], progress: Callable[[int], object]) -> int:
        """Write the remaining chunks, then the file, and return its number of decisions.

        `progress` is called with the number of decisions examined since the last call. Raises StorageError if the
        folder cannot be written to.
        """
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StorageError(f"the folder cannot be written to: {self._file.parent} ({error.strerror})") from error
        waiting: list[pa.Table] = []
        last_id = ""
        for chunk in chunks:
            waiting.append(self._table(chunk))
            last_id = chunk.last_id
            progress(chunk.examined)
            if sum(table.num_rows for table in waiting) >= _PART_ROWS:
                self.finish(waiting, last_id)
                waiting = []
        if waiting:
            self.finish(waiting, last_id)
        return self._join()

    def finish(self, tables: Sequence[pa.Table], last_id: str) -> None:
        """Write a part with all decisions after the previous one, up to that record."""
        state = {"unexplained": self.left_out.unexplained.counts, "unreadable": self.left_out.unreadable}
        part = pa.concat_tables(tables).replace_schema_metadata({_LEFT_OUT: json.dumps(state).encode()})
        with draft_of(self._folder / f"{last_id}.parquet") as draft:
            pq.write_table(part, draft, compression="zstd")

    def _left_out(self) -> LeftOut:
        """Return what the finished parts left out."""
        parts = self._parts
        if not parts:
            return LeftOut()
        state = json.loads((pq.read_schema(parts[-1]).metadata or {}).get(_LEFT_OUT, b"{}"))
        return LeftOut(Unexplained(Counter(state.get("unexplained", {}))), list(state.get("unreadable", [])))

    @property
    def _parts(self) -> list[Path]:
        # Ids sort chronologically.
        return sorted(self._folder.glob("*.parquet"))

    def _join(self) -> int:
        rows = 0
        with draft_of(self._file) as draft, pq.ParquetWriter(draft, _SCHEMA, compression="zstd") as writer:
            for part in self._parts:
                table = pq.read_table(part)
                writer.write_table(table.replace_schema_metadata())
                rows += table.num_rows
        # The newest first: if this is interrupted, the rest is the beginning of an export, which can be resumed.
        for part in reversed(self._parts):
            part.unlink()
        # A kill may have left a draft behind.
        shutil.rmtree(self._folder)
        return rows

    def _table(self, chunk: ExplainedChunk) -> pa.Table:
        refused, found = chunk.refused, chunk.attributions
        rows = len(refused)
        columns: dict[str, list[Any]] = {
            "decision_id": list(refused.ids),
            "decided_at": list(refused.decided_at),
            "model_name": [refused.decider.model_name] * rows,
            "model_version": [refused.decider.semantic_version] * rows,
            "probability": refused.probabilities.tolist(),
        }
        if found is None:
            return _SCHEMA.empty_table()
        errors = found.standard_error
        columns |= {
            "baseline": [found.baseline] * rows,
            "exact": [errors is None] * rows,
            "standard_error": [None] * rows if errors is None else errors.tolist(),
            "contributions": [list(zip(self._groups, row, strict=True)) for row in found.contributions.tolist()],
            "reasons": [[vars(reason) for reason in reasons] for reasons in chunk.reasons],
        }
        return pa.table(columns, schema=_SCHEMA)
