"""Fuzz targets: every parser and the endpoints in front of them, each with its expected errors and seeds."""

import struct
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl

import msgspec
import numpy as np

from loan_api.adapters.recording.journal import Journal
from loan_api.adapters.recording.protocol import decode_receipt, decode_records
from loan_api.credit.decision import DECISIONS
from loan_api.credit.form import FormError, parse_form
from loan_api.credit.policy import PolicyError, parse_policy
from loan_api.entrypoints.desk.application_form import application_of, entered_values, errors_by_field, groups_of
from loan_api.errors import BatchTooLargeError
from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.codecs import BatchFormat, format_of
from loan_api.formats.refusals import MalformedBodyError, RequestRefusedError
from loan_api.scoring.columns import columns_of
from tests.fuzz import endpoints
from tests.fuzz.seeds import CANARY, bodies, datasets, forms, policies, recorded, single_bodies, submissions
from tests.support.forms import SHIPPED
from training.data.dataset import read_dataset
from training.errors import DatasetError

_CODEC = ApplicationCodec(SHIPPED)
_MAX_ROWS = 100
_JOURNAL_BYTES = 65_536


class LeakError(Exception):
    """A message quotes an applicant's value."""


@dataclass(frozen=True)
class Target:
    """A parser under test; `read` accepts arbitrary bytes, and any exception from it is a finding."""

    read: Callable[[bytes], None]
    seeds: Sequence[bytes]


def _refused(read: Callable[[bytes], object], body: bytes) -> None:
    """Read a body. Documented refusals are expected, provided that they quote no values."""
    try:
        read(body)
    except RequestRefusedError as refused:
        for shown in refused.refusals.shown:
            _check(shown["detail"])
    except (MalformedBodyError, BatchTooLargeError) as refused:
        _check(str(refused))
    except MemoryError:
        # A table may claim any size. A batch process has its own memory limit and responds with a 413.
        return


def _decode(batches: BatchFormat, body: bytes) -> object:
    return batches.decode(_CODEC, body, _MAX_ROWS)


def _read_dataset(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            read_dataset(SHIPPED, Path(file.name))
        except DatasetError as error:
            _check(str(error))


def _read_records(content: bytes) -> None:
    for decode in (decode_records, decode_receipt):
        # The recorder and its clients handle these errors of invalid messages.
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            decode(content)


def _read_journal(content: bytes) -> None:
    """Read every entry with a valid checksum, then check that the journal is empty once cleared."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzzed.journal"
        path.write_bytes(content)
        journal = Journal(path, _JOURNAL_BYTES)
        for entry, _ in journal.read(journal.start):
            _read_records(entry)
        journal.clear()
        if not journal.is_empty:
            raise AssertionError
        journal.close()


def _read_form(content: bytes) -> None:
    """Parse a form. If it is valid, so is its example, and its formulas give the same alone and as columns."""
    try:
        form = parse_form(content.decode())
    except (UnicodeDecodeError, FormError):
        return
    example = ApplicationCodec(form).decode(msgspec.json.encode(form.example()))
    columns = dict(columns_of(form, [example]))
    alone = {name: column[0].item() for name, column in columns.items()}
    for derived in form.derived:
        columns[derived.name] = derived.formula.of_columns(columns, 1)
        alone[derived.name] = derived.formula.of_application(alone)
        if repr(float(alone[derived.name])) != repr(float(columns[derived.name][0])):
            raise AssertionError


def _try_application(content: bytes) -> None:
    """Read what a visitor of the desk has submitted, as its page does."""
    submitted = dict(parse_qsl(content.decode(errors="replace"), keep_blank_values=True))
    entered = entered_values(SHIPPED, submitted)
    errors: Mapping[str, str] = {}
    try:
        _CODEC.explained(application_of(SHIPPED, entered))
    except RequestRefusedError as refused:
        errors = errors_by_field(refused.refusals)
        _check(str(errors))
    groups_of(SHIPPED, entered, errors)


def _read_policy(content: bytes) -> None:
    """Parse a policy. If it is valid, both of its evaluations must agree."""
    try:
        policy = parse_policy(content.decode(), SHIPPED)
    except (UnicodeDecodeError, PolicyError):
        return
    example = SHIPPED.example()
    decisions, rules = policy.decide_columns(columns_of(SHIPPED, [example]), np.array([0.6]))
    decision, code = policy.decide(example, 0.6)
    if (decision, code) != (DECISIONS[decisions[0]], policy.codes[rules[0]] if rules[0] >= 0 else None):
        raise AssertionError


def _check(message: str) -> None:
    if CANARY in message:
        raise LeakError


def _entry(content: bytes) -> bytes:
    return struct.pack("!II", len(content), zlib.crc32(content)) + content


def targets() -> Mapping[str, Target]:
    """Return all targets by name; formats are named after the last word of their media type."""
    formats = {
        media_type.rpartition("/")[2].rpartition(".")[2]: Target(
            partial(_refused, partial(_decode, format_of(media_type))), seeds
        )
        for media_type, seeds in bodies().items()
    }
    entries = [_entry(content) for content in recorded()]
    return {
        "requests": Target(endpoints.ask, endpoints.seeds()),
        "application": Target(partial(_refused, _CODEC.decode), single_bodies()),
        **formats,
        "dataset": Target(_read_dataset, datasets()),
        "form": Target(_read_form, forms()),
        "policy": Target(_read_policy, policies()),
        "desk": Target(_try_application, submissions()),
        "records": Target(_read_records, recorded()),
        "journal": Target(_read_journal, [*entries, b"".join(entries), entries[1] + b"damaged" + entries[2]]),
    }
