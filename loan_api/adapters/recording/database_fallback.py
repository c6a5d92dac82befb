"""Routing of records: to the database, to the journal while the database is unavailable, or refused if both fail."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic, perf_counter
from typing import Protocol

import msgspec

from loan_api.adapters.recording.journal import Journal
from loan_api.adapters.recording.protocol import Receipt, Records, decode_records
from loan_api.errors import NotRecordedError, StorageError
from loan_api.services.decision_log import BatchRecord, DecisionRecord, LogState, PolicyActivation

_RETRY_SECONDS = 0.5
# How often to look for journals of services that have died.
_ADOPT_EVERY_SECONDS = 1.0
# The most that one transaction moves from the journal into the database.
_DRAINED_ENTRIES = 200
_DRAINED_BYTES = 8 * 2**20
# How often to check the database if there is nothing to record.
_CHECK_EVERY_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Writer(Protocol):
    """A connection to the database for one thread."""

    def write(
        self,
        singles: Sequence[DecisionRecord],
        whole_batches: Sequence[BatchRecord],
        activations: Sequence[PolicyActivation] = (),
    ) -> None:
        """Return once the records are stored, each once. Raises StorageError."""


class Recorder:
    """Records decisions for all processes. `record` is for one thread; another drains journals into the database.

    While a journal has entries, new records are appended to this service's own, so that the database gets them in
    order. `abandoned` locks and returns the journals of services that have died; they are drained first.
    """

    def __init__(
        self,
        writer: Writer,
        drainer: Writer,
        journal: Journal,
        abandoned: Callable[[], Sequence[Journal]] = tuple,
    ) -> None:
        self._writer = writer
        self._drainer = drainer
        self._journal = journal
        self._abandoned = abandoned
        self._adopted: list[Journal] = []
        self._problem: str | None = None
        self._is_full = False
        # Reset only by draining: a nearly full journal may accept one entry and not the next.
        self._is_full_logged = False
        self._waiting = 0
        self._checked_at = float("-inf")
        self._lock = threading.Lock()
        self._holds_entries = False
        # Set while the other thread has something to do.
        self._is_needed = threading.Event()
        self._inspect(journal)
        self._adopt()

    def start(self) -> None:
        """Drain journals from a background thread for as long as the process lives."""
        threading.Thread(target=self._drain_forever, name="journal", daemon=True).start()

    def record(self, payloads: Sequence[bytes]) -> Receipt:
        """Record the encoded `Records` of several requests together."""
        started = perf_counter()
        groups = [decode_records(payload) for payload in payloads]
        records = _joined(groups)
        refusal = None
        if records.is_query:
            self._check()
        elif not self._write(records):
            refusal = self._keep(
                [payload for payload, group in zip(payloads, groups, strict=True) if not group.is_query]
            )
        return Receipt(self.state, perf_counter() - started, refusal)

    @property
    def state(self) -> LogState:
        """Return the current destination of records."""
        if self._problem is None and self.is_drained:
            return LogState("database")
        return LogState("nowhere" if self._is_full else "journal", self._waiting, self._problem)

    @property
    def is_drained(self) -> bool:
        """Return whether the database has all records."""
        return not self._holds_entries

    def _write(self, records: Records) -> bool:
        if not self.is_drained:
            return False
        try:
            self._writer.write(records.decisions, records.batches, records.policies)
        except StorageError as error:
            # The other thread knows more about the cause, so its finding must not be overwritten.
            if not self._is_needed.is_set():
                self._note(str(error))
                self._is_needed.set()
            return False
        self._note(None)
        return True

    def _keep(self, payloads: list[bytes]) -> str | None:
        """Append the payloads to the journal; return the reason if that is impossible."""
        rows = sum(decode_records(payload).rows for payload in payloads)
        try:
            with self._lock:
                self._journal.append(payloads)
                self._waiting += rows
                self._holds_entries = True
                self._is_needed.set()
        except NotRecordedError as error:
            if not self._is_full_logged:
                _log.error("journal full", extra={"waiting": self._waiting})
            self._is_full = self._is_full_logged = True
            return str(error)
        self._is_full = False
        return None

    def _check(self) -> None:
        if not self._is_needed.is_set() and monotonic() - self._checked_at > _CHECK_EVERY_SECONDS:
            self._checked_at = monotonic()
            self._write(Records([], []))

    def _note(self, problem: str | None) -> None:
        if problem != self._problem:
            if problem is None:
                _log.info("decision log is back")
            else:
                _log.error("decision log degraded", extra={"problem": problem})
        self._problem = problem

    def _adopt(self) -> None:
        for journal in self._abandoned():
            self._adopted.append(journal)
            self._inspect(journal)

    def _inspect(self, journal: Journal) -> None:
        """Note the entries that a journal already holds."""
        if journal.unreadable_bytes:
            extra = {"file": journal.path.name, "unreadable_bytes": journal.unreadable_bytes}
            _log.error("journal damaged", extra=extra)
        if not journal.is_empty:
            with self._lock:
                self._waiting += _rows_in(journal)
                self._holds_entries = True
                self._is_needed.set()

    def _drain_forever(self) -> None:
        pause = threading.Event()
        while True:
            is_needed = self._is_needed.wait(_ADOPT_EVERY_SECONDS)
            try:
                self._adopt()
                if not is_needed and not self._adopted:
                    continue
                # The database may have to be migrated before anyone can write.
                self._drainer.write([], [])
                while self._adopted:
                    self._drain(self._adopted[0])
                    self._adopted.pop(0).close()
                self._drain(self._journal)
            except StorageError as error:
                self._note(str(error))
                pause.wait(_RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001  # the thread must survive any fault of the disk
                self._note(f"the journal cannot be drained ({type(error).__name__})")
                pause.wait(_RETRY_SECONDS)

    def _drain(self, journal: Journal) -> None:
        """Move the journal into the database. Entries that were moved before a kill are not duplicated."""
        drained, rows = journal.start, 0
        while True:
            records, position = _next_records(journal, drained)
            if not records.is_query:
                self._drainer.write(records.decisions, records.batches, records.policies)
            rows += records.rows
            with self._lock:
                if position == journal.end:
                    # Not earlier: after a failure, draining starts again from the first entry.
                    self._waiting -= rows
                    quarantined = journal.clear()
                    if quarantined is not None:
                        _log.error("damaged journal quarantined", extra={"file": quarantined.name})
                    if journal is self._journal:
                        self._settle()
                    return
            if position == drained:
                raise StorageError("the journal is damaged")
            drained = position

    def _settle(self) -> None:
        self._holds_entries = self._is_full = self._is_full_logged = False
        self._is_needed.clear()
        self._note(None)


def _next_records(journal: Journal, start: int) -> tuple[Records, int]:
    """Return the entries from `start` that fit into one transaction, and the position after them."""
    found: list[Records] = []
    position = start
    for entry, after in journal.read(start):
        found.append(decode_records(entry))
        position = after
        if len(found) == _DRAINED_ENTRIES or after - start > _DRAINED_BYTES:
            break
    return _joined(found), position


def _joined(groups: Sequence[Records]) -> Records:
    return Records(
        [record for group in groups for record in group.decisions],
        [record for group in groups for record in group.batches],
        [record for group in groups for record in group.policies],
    )


def _rows_in(journal: Journal) -> int:
    """Count the rows up to the first entry that cannot be decoded; draining reports that one."""
    rows = 0
    with suppress(msgspec.DecodeError):
        for entry, _ in journal.read(journal.start):
            rows += decode_records(entry).rows
    return rows
