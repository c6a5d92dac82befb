"""The decision log of a web worker: requests that come while others are being recorded are recorded together."""

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
    """Is told how recording goes."""

    def recorded(self, seconds: float) -> None:
        """Some records were kept together within `seconds`, from when the first of them was ready."""

    def not_recorded(self, records: int) -> None:
        """So many records were refused or lost their way; none of their decisions was answered."""

    def state_seen(self, state: LogState) -> None:
        """Where records go now."""


class _Group:
    """Records that are sent together, and what became of them."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.began = 0.0
        self.done = threading.Event()
        self.error: NotRecordedError | None = None


class GroupCommit:
    """Records through one connection.

    `see_to_recorder` starts the recorder where none runs. `let_others_join` is called before a group is sent: requests
    that are being handled get their turn first, so that their records come along.
    """

    def __init__(
        self,
        record: Callable[[Records], Receipt],
        see_to_recorder: Callable[[], object],
        observer: RecordingObserver,
        let_others_join: Callable[[], object] = lambda: None,
    ) -> None:
        self._send = record
        self._see_to_recorder = see_to_recorder
        self._observer = observer
        self._let_others_join = let_others_join
        self._next = _Group()
        self._is_needed = threading.Event()
        self._is_answered = threading.Event()
        self._lock = threading.Lock()
        self._state = _NOT_ASKED

    @property
    def state(self) -> LogState:
        """As of the last receipt; one is asked for every second."""
        return self._state

    def start(self) -> None:
        """Sends from a background thread, a greenlet in gevent's workers, for as long as the process lives.

        Waits a moment for the recorder to say how things are: a worker that takes requests before it knows that would
        have to call itself unable to decide.
        """
        for work in (self._send_forever, self._ask_forever):
            threading.Thread(target=work, name="decision-log", daemon=True).start()
        self._is_answered.wait(_FIRST_ANSWER_SECONDS)

    def record(self, record: Record) -> None:
        """Returns once the record is kept. Raises NotRecordedError."""
        with self._lock:
            group = self._next
            if not group.records:
                group.began = monotonic()
                self._is_needed.set()
            group.records.append(record)
        group.done.wait()
        if group.error is not None:
            # A new one, as several requests must not share a traceback.
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
            except Exception as error:  # noqa: BLE001  # else nothing would ever be recorded again
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
            self._see_to_recorder()
            # A group without a record asks for the state.
            self._is_needed.set()
            time.sleep(_ASK_EVERY_SECONDS)
