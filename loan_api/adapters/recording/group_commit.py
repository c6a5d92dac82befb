"""Group commit: records that arrive while others are being written are written together."""

import logging
import threading
import time
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from loan_api.adapters.recording.protocol import Receipt, Records
from loan_api.errors import NotRecordedError
from loan_api.services.decision_log import LogState, Record

_ASK_EVERY_SECONDS = 1.0
_FIRST_ANSWER_SECONDS = 5.0
_NOT_ASKED = LogState("nowhere", problem="the recorder has not answered yet")

_log = logging.getLogger(__name__)


class RecordingObserver(Protocol):
    """An observer of recording."""

    def recorded(self, seconds: float) -> None:
        """Observe that a group was stored `seconds` after its first record was ready."""

    def not_recorded(self, records: int) -> None:
        """Observe that records were refused or lost; none of their decisions was answered."""

    def state_seen(self, state: LogState) -> None:
        """Observe the current destination of records."""


class _Group:
    """Records that are sent together, and their result."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.began = 0.0
        self.done = threading.Event()
        self.error: NotRecordedError | None = None


class GroupCommit:
    """The decision log of a web worker, over one connection.

    `ensure_recorder` starts the recorder if none is running. `let_others_join` is called before a group is sent, so
    that requests already being handled can add their records.
    """

    def __init__(
        self,
        record: Callable[[Records], Receipt],
        ensure_recorder: Callable[[], object],
        observer: RecordingObserver,
        let_others_join: Callable[[], object] = lambda: None,
    ) -> None:
        self._send = record
        self._ensure_recorder = ensure_recorder
        self._observer = observer
        self._let_others_join = let_others_join
        self._next = _Group()
        self._is_needed = threading.Event()
        self._is_answered = threading.Event()
        self._lock = threading.Lock()
        self._state = _NOT_ASKED

    @property
    def state(self) -> LogState:
        """Return the state in the latest receipt, which is at most about a second old."""
        return self._state

    def start(self) -> None:
        """Send from a background thread (a greenlet under gevent) for as long as the process lives.

        Wait for the recorder's first receipt: before it, the worker would have to report that it cannot decide.
        """
        for work in (self._send_forever, self._ask_forever):
            threading.Thread(target=work, name="decision-log", daemon=True).start()
        self._is_answered.wait(_FIRST_ANSWER_SECONDS)

    def record(self, record: Record) -> None:
        """Return once the record is stored. Raises NotRecordedError."""
        with self._lock:
            group = self._next
            if not group.records:
                group.began = monotonic()
                self._is_needed.set()
            group.records.append(record)
        group.done.wait()
        if group.error is not None:
            # Requests must not share one exception and its traceback.
            raise NotRecordedError(str(group.error))

    def _send_forever(self) -> None:
        while True:
            self._is_needed.wait()
            self._let_others_join()
            with self._lock:
                self._is_needed.clear()
                group, self._next = self._next, _Group()
            try:
                self._settle(group)
            except Exception as error:  # noqa: BLE001  # otherwise nothing would be recorded any more
                _log.error("records not sent", extra={"error": type(error).__name__})
                group.error = NotRecordedError("The decision could not be recorded.")
            group.done.set()

    def _settle(self, group: _Group) -> None:
        try:
            receipt = self._send(Records.of(group.records))
        except NotRecordedError as error:
            group.error = error
            self._see(LogState("nowhere", self._state.waiting, str(error)))
            self._observer.not_recorded(len(group.records))
            return
        self._see(receipt.state)
        if group.records:
            self._observer.recorded(monotonic() - group.began)

    def _see(self, state: LogState) -> None:
        self._state = state
        self._is_answered.set()
        self._observer.state_seen(state)

    def _ask_forever(self) -> None:
        while True:
            self._ensure_recorder()
            # An empty group asks for the state.
            self._is_needed.set()
            time.sleep(_ASK_EVERY_SECONDS)
