"""Decides where records go: into the database, into the journal while that is away, or nowhere."""

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic, perf_counter
from typing import Protocol

import msgspec

from loan_api.adapters.recording.journal import Journal
from loan_api.adapters.recording.protocol import Receipt, Records, decode_records
from loan_api.errors import NotRecordedError, StorageError
from loan_api.services.decision_log import BatchRecord, DecisionRecord, LogState

_TRY_AGAIN_SECONDS = 0.5
# Of what waits in the journal, so much goes into the database at a time.
_DRAINED_ENTRIES = 200
_DRAINED_BYTES = 8 * 2**20
# Without anything to record, the database is looked at this often.
_CHECK_EVERY_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Writer(Protocol):
    """Writes to the database, for one thread."""

    def write(self, singles: Sequence[DecisionRecord], whole_batches: Sequence[BatchRecord]) -> None:
        """Returns once they are there, each once. Raises StorageError."""


class Recorder:
    """Records for all who decide. `record` is for one thread; another sees to the database while it is away.

    While the journal holds anything, everything goes there, so that the database gets it in the order it came.
    """

    def __init__(self, writer: Writer, drainer: Writer, journal: Journal, left_over: Sequence[Journal] = ()) -> None:
        self._writer = writer
        self._drainer = drainer
        self._journal = journal
        self._left_over = list(left_over)
        self._problem: str | None = None
        self._is_full = False
        # Until it is drained: where it is nearly full, it may take one entry and not the next.
        self._was_told_full = False
        self._waiting = sum(_rows_in(kept) for kept in (journal, *left_over))
        self._checked_at = float("-inf")
        self._lock = threading.Lock()
        self._holds_entries = any(not kept.is_empty for kept in (journal, *left_over))
        for kept in (journal, *left_over):
            if kept.unreadable_bytes:
                _log.error("journal damaged", extra={"file": kept.path.name, "unreadable_bytes": kept.unreadable_bytes})
        # Set while the other thread has something to do.
        self._is_needed = threading.Event()
        if self._holds_entries:
            self._is_needed.set()

    def start(self) -> None:
        """Drains the journal from a background thread for as long as the process lives."""
        threading.Thread(target=self._mend_forever, name="journal", daemon=True).start()

    def record(self, payloads: Sequence[bytes]) -> Receipt:
        """Records the encoded `Records` of several requests together."""
        started = perf_counter()
        groups = [decode_records(payload) for payload in payloads]
        decisions = [record for group in groups for record in group.decisions]
        whole_batches = [record for group in groups for record in group.batches]
        refusal = None
        if not decisions and not whole_batches:
            self._check()
        elif not self._write(decisions, whole_batches):
            refusal = self._keep([payload for payload, group in zip(payloads, groups, strict=True) if group.rows])
        return Receipt(self.state, perf_counter() - started, refusal)

    @property
    def state(self) -> LogState:
        """Where records go now."""
        if self._problem is None and self.is_drained:
            return LogState("database")
        return LogState("nowhere" if self._is_full else "journal", self._waiting, self._problem)

    @property
    def is_drained(self) -> bool:
        """Whether the database has everything."""
        return not self._holds_entries

    def _write(self, decisions: Sequence[DecisionRecord], whole_batches: Sequence[BatchRecord]) -> bool:
        if not self.is_drained:
            return False
        try:
            self._writer.write(decisions, whole_batches)
        except StorageError as error:
            # The other thread looks closer: what it has found is not to be talked over.
            if not self._is_needed.is_set():
                self._note(str(error))
                self._is_needed.set()
            return False
        self._note(None)
        return True

    def _keep(self, payloads: list[bytes]) -> str | None:
        """Puts them into the journal; why not, where that cannot be."""
        rows = sum(decode_records(payload).rows for payload in payloads)
        try:
            with self._lock:
                self._journal.append(payloads)
                self._waiting += rows
                self._holds_entries = True
                self._is_needed.set()
        except NotRecordedError as error:
            if not self._was_told_full:
                _log.error("journal full", extra={"waiting": self._waiting})
            self._is_full = self._was_told_full = True
            return str(error)
        self._is_full = False
        return None

    def _check(self) -> None:
        if not self._is_needed.is_set() and monotonic() - self._checked_at > _CHECK_EVERY_SECONDS:
            self._checked_at = monotonic()
            self._write([], [])

    def _note(self, problem: str | None) -> None:
        if problem != self._problem:
            if problem is None:
                _log.info("decision log is back")
            else:
                _log.error("decision log degraded", extra={"problem": problem})
        self._problem = problem

    def _mend_forever(self) -> None:
        pause = threading.Event()
        while True:
            self._is_needed.wait()
            try:
                # It may have to be migrated before anyone can write.
                self._drainer.write([], [])
                while self._left_over:
                    self._drain(self._left_over[0])
                    self._left_over.pop(0).close()
                self._drain(self._journal)
            except StorageError as error:
                self._note(str(error))
                pause.wait(_TRY_AGAIN_SECONDS)
            except Exception as error:  # noqa: BLE001  # the thread must outlive whatever the disk does to it
                self._note(f"the journal cannot be drained ({type(error).__name__})")
                pause.wait(_TRY_AGAIN_SECONDS)

    def _drain(self, journal: Journal) -> None:
        """Writes what the journal holds, then clears it. What a kill made it write before is there, and stays once."""
        drained, rows = journal.start, 0
        while True:
            records, position = _next_records(journal, drained)
            if records.rows:
                self._drainer.write(records.decisions, records.batches)
            rows += records.rows
            with self._lock:
                if position == journal.end:
                    # Not before: what fails on the way is begun anew.
                    self._waiting -= rows
                    aside = journal.clear()
                    if aside is not None:
                        _log.error("damaged journal set aside", extra={"file": aside.name})
                    if journal is self._journal:
                        self._settle()
                    return
            if position == drained:
                raise StorageError("the journal is damaged")
            drained = position

    def _settle(self) -> None:
        self._holds_entries = self._is_full = self._was_told_full = False
        self._is_needed.clear()
        self._note(None)


def _next_records(journal: Journal, start: int) -> tuple[Records, int]:
    """As many entries from `start` on as go into one transaction, and the position after them."""
    decisions: list[DecisionRecord] = []
    whole_batches: list[BatchRecord] = []
    position = start
    for count, (entry, after) in enumerate(journal.read(start), start=1):
        records = decode_records(entry)
        decisions += records.decisions
        whole_batches += records.batches
        position = after
        if count == _DRAINED_ENTRIES or after - start > _DRAINED_BYTES:
            break
    return Records(decisions, whole_batches), position


def _rows_in(journal: Journal) -> int:
    """As far as its entries can be read; draining says what is wrong with one that cannot."""
    rows = 0
    with suppress(msgspec.DecodeError):
        for entry, _ in journal.read(journal.start):
            rows += decode_records(entry).rows
    return rows
