"""Requests that arrive during a commit are committed together, and each gets its own result."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from loan_api.adapters.recording.group_commit import GroupCommit
from loan_api.adapters.recording.protocol import Receipt, Records
from loan_api.errors import NotRecordedError
from loan_api.services.decision_log import Decider, DecisionRecord, LogState
from tests.support.fakes import NOW
from tests.support.waiting import wait_until

DECIDER = Decider("loan_approval_model", "1", "1.0.0", 0.5)
WELL = LogState("database")


def decision(decision_id: str) -> DecisionRecord:
    return DecisionRecord(decision_id, "r", NOW, DECIDER, b"{}", 0.5, 1)


@dataclass
class FakeRecorder:
    """A recorder that keeps groups while it is open and otherwise refuses them."""

    refusal: str | None = None
    is_open: threading.Event = field(default_factory=threading.Event)
    groups: list[list[str]] = field(default_factory=list)

    def record(self, records: Records) -> Receipt:
        if records.decisions:
            self.is_open.wait()
            if self.refusal:
                raise NotRecordedError(self.refusal)
            self.groups.append([record.decision_id for record in records.decisions])
        return Receipt(WELL, 0.0)


@dataclass
class FakeObserver:
    """An observer that counts events."""

    recorded_groups: int = 0
    refused: int = 0

    def recorded(self, seconds: float) -> None:
        self.recorded_groups += 1

    def not_recorded(self, records: int) -> None:
        self.refused += records

    def state_seen(self, state: LogState) -> None:
        """Ignore the state, which tests read from the log."""


def started(recorder: FakeRecorder, observer: FakeObserver) -> GroupCommit:
    log = GroupCommit(recorder.record, lambda: None, observer)
    log.start()
    return log


def test_it_knows_how_things_are_once_it_is_started() -> None:
    assert started(FakeRecorder(), FakeObserver()).state == WELL


def test_what_comes_meanwhile_goes_together() -> None:
    recorder, observer = FakeRecorder(), FakeObserver()
    log = started(recorder, observer)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(log.record, decision("first"))
        wait_until(lambda: log._next.records == [], "the first commit to be in progress")
        others = [pool.submit(log.record, decision(str(number))) for number in range(6)]
        wait_until(lambda: len(log._next.records) == 6, "the others to be waiting")
        recorder.is_open.set()
        for each in (first, *others):
            each.result(10)
    assert [sorted(group) for group in recorder.groups] == [["first"], ["0", "1", "2", "3", "4", "5"]]
    assert observer.recorded_groups == 2


def test_a_refusal_reaches_every_caller_in_its_group() -> None:
    recorder, observer = FakeRecorder(refusal="The journal is full."), FakeObserver()
    recorder.is_open.set()
    log = started(recorder, observer)
    with pytest.raises(NotRecordedError, match="The journal is full"):
        log.record(decision("a"))
    assert (log.state.recorded_in, observer.refused) == ("nowhere", 1)
    recorder.refusal = None
    log.record(decision("b"))
    assert (log.state, recorder.groups) == (WELL, [["b"]])
