"""Destination of records while the database is available, unavailable and available again."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from loan_api.adapters.recording.database_fallback import Recorder
from loan_api.adapters.recording.journal import Journal, abandoned_journals, free_journal
from loan_api.adapters.recording.protocol import Records, encode
from loan_api.errors import StorageError
from loan_api.services.decision_log import BatchRecord, Decider, DecisionRecord, LogState, PolicyActivation
from tests.support.fakes import NOW
from tests.support.waiting import wait_until

DECIDER = Decider("loan_approval_model", "1", "1.0.0", 0.5)


@dataclass
class FakeDatabase:
    """A database that keeps each id once and in order, unless it is unavailable."""

    is_away: bool = False
    loses_answers: bool = False
    # The write after this number of writes fails.
    fails_after: int | None = None
    ids: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def write(
        self,
        singles: Sequence[DecisionRecord],
        whole_batches: Sequence[BatchRecord],
        activations: Sequence[PolicyActivation] = (),
    ) -> None:
        with self.lock:
            if self.is_away:
                raise StorageError("the database is away")
            if self.fails_after is not None and singles:
                self.fails_after -= 1
                if self.fails_after < 0:
                    self.fails_after = None
                    raise StorageError("the database went away again")
            ids = [record.id for record in activations] + [record.decision_id for record in singles]
            ids += [record.batch_id for record in whole_batches]
            self.ids += [each for each in ids if each not in self.ids]
            if self.loses_answers:
                raise StorageError("the answer got lost")


def decisions(*ids: str) -> bytes:
    return encode(Records([DecisionRecord(each, "r", NOW, DECIDER, b"{}", 0.5, 1) for each in ids], []))


def batch(batch_id: str, size: int = 10) -> bytes:
    return encode(Records([], [BatchRecord(batch_id, "r", NOW, DECIDER, 3, 1, b"x" * size)]))


def activation(activation_id: str) -> bytes:
    return encode(Records([], [], [PolicyActivation(activation_id, NOW, "a" * 64, "1", "text")]))


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase()


@pytest.fixture
def make_recorder(tmp_path: Path, database: FakeDatabase) -> Callable[..., Recorder]:
    def make(capacity: int = 100_000) -> Recorder:
        journal = free_journal(tmp_path, capacity)
        recorder = Recorder(database, database, journal, lambda: abandoned_journals(tmp_path, capacity))
        recorder.start()
        return recorder

    return make


def test_records_of_several_requests_go_into_the_database_together(
    database: FakeDatabase, make_recorder: Callable[..., Recorder]
) -> None:
    receipt = make_recorder().record([decisions("a", "b"), decisions("c"), batch("d")])
    assert (receipt.refusal, receipt.state) == (None, LogState("database"))
    assert database.ids == ["a", "b", "c", "d"]


def test_the_journal_takes_over_and_is_drained_in_order(
    database: FakeDatabase, make_recorder: Callable[..., Recorder]
) -> None:
    recorder = make_recorder()
    recorder.record([decisions("a")])
    database.is_away = True
    receipt = recorder.record([decisions("b", "c")])
    assert (receipt.refusal, receipt.state) == (None, LogState("journal", 2, "the database is away"))
    recorder.record([batch("d")])
    assert (recorder.state.waiting, database.ids) == (5, ["a"])
    database.is_away = False
    wait_until(lambda: recorder.state == LogState("database"), "the journal to be drained")
    recorder.record([decisions("e")])
    assert database.ids == ["a", "b", "c", "d", "e"]


def test_a_record_whose_fate_is_unknown_is_recorded_once(
    database: FakeDatabase, make_recorder: Callable[..., Recorder]
) -> None:
    database.loses_answers = True
    recorder = make_recorder()
    assert recorder.record([decisions("a")]).refusal is None
    database.loses_answers = False
    wait_until(lambda: recorder.is_drained, "the journal to be drained")
    assert database.ids == ["a"]


def test_draining_that_fails_on_the_way_is_begun_anew(
    database: FakeDatabase, make_recorder: Callable[..., Recorder]
) -> None:
    recorder = make_recorder(capacity=2**20)
    database.is_away = True
    for number in range(500):
        recorder.record([decisions(str(number))])
    database.fails_after = 2
    database.is_away = False
    wait_until(lambda: recorder.is_drained, "the journal to be drained")
    assert (recorder.state, database.ids) == (LogState("database"), [str(number) for number in range(500)])


def test_an_entry_that_cannot_be_read_does_not_stop_what_comes(
    tmp_path: Path, database: FakeDatabase, make_recorder: Callable[..., Recorder]
) -> None:
    left = Journal(tmp_path / "0.journal", 100_000)
    left.append([b"of another time"])
    left.close()
    recorder = make_recorder()
    assert recorder.record([decisions("a")]).refusal is None
    wait_until(lambda: recorder.state.problem is not None, "the recorder to say so")
    assert recorder.state.recorded_in == "journal"


def test_a_full_journal_is_logged_once_until_it_is_drained(
    database: FakeDatabase, make_recorder: Callable[..., Recorder], caplog: pytest.LogCaptureFixture
) -> None:
    """Report it once, although a nearly full journal may still accept small records."""
    recorder = make_recorder(capacity=2000)

    def times_logged() -> int:
        return [line.message for line in caplog.records].count("journal full")

    for expected in (1, 2):
        database.is_away = True
        for number in range(3):
            assert recorder.record([batch("large", size=3000)]).refusal is not None
            assert recorder.record([batch(f"small-{number}")]).refusal is None
        assert times_logged() == expected
        database.is_away = False
        wait_until(lambda: recorder.is_drained, "the journal to be drained")


@pytest.mark.parametrize(("place", "ids"), [(0, ["b", "c"]), (60, ["b", "c"]), (None, [])])
def test_what_is_damaged_costs_nothing_else(
    tmp_path: Path,
    database: FakeDatabase,
    make_recorder: Callable[..., Recorder],
    caplog: pytest.LogCaptureFixture,
    place: int | None,
    ids: list[str],
) -> None:
    path = tmp_path / "0.journal"
    left = Journal(path, 100_000)
    left.append([decisions("a"), decisions("b", "c")])
    left.close()
    with path.open("r+b") as file:
        file.seek(place or 0)
        file.write(b"\xff" * (4 if place is not None else left.end))
    before = path.read_bytes()
    recorder = make_recorder()
    wait_until(lambda: recorder.is_drained, "the journal to be drained")
    recorder.record([decisions("d")])
    assert (database.ids, recorder.state) == ([*ids, "d"], LogState("database"))
    [quarantined] = tmp_path.glob("0.journal.damaged-*")
    assert quarantined.read_bytes() == before
    logged = [(line.message, line.__dict__["file"]) for line in caplog.records]
    assert logged == [("journal damaged", "0.journal"), ("damaged journal quarantined", quarantined.name)]
    unreadable = len(decisions("a")) + 8 if ids else left.end
    assert caplog.records[0].__dict__["unreadable_bytes"] == unreadable


def test_what_the_full_journal_cannot_take_is_refused(
    database: FakeDatabase, make_recorder: Callable[..., Recorder]
) -> None:
    recorder = make_recorder(capacity=1000)
    database.is_away = True
    assert recorder.record([batch("a", size=500)]).refusal is None
    receipt = recorder.record([batch("b", size=500)])
    assert receipt.refusal is not None
    assert receipt.state.recorded_in == "nowhere"
    database.is_away = False
    wait_until(lambda: recorder.is_drained, "the journal to be drained")
    assert recorder.record([batch("b", size=500)]).refusal is None
    assert database.ids == ["a", "b"]


def test_what_another_recorder_left_is_recorded_first(
    tmp_path: Path, database: FakeDatabase, make_recorder: Callable[..., Recorder]
) -> None:
    left = Journal(tmp_path / "1.journal", 1000)
    left.append([decisions("a")])
    left.close()
    own = Journal(tmp_path / "0.journal", 100_000)
    own.append([decisions("b")])
    own.close()
    recorder = make_recorder()
    recorder.record([decisions("c")])
    wait_until(lambda: recorder.is_drained, "the journals to be drained")
    assert database.ids == ["a", "b", "c"]
    assert not (tmp_path / "1.journal").exists()


def test_the_journal_of_a_service_that_dies_is_drained_by_one_that_lives(
    tmp_path: Path, database: FakeDatabase, make_recorder: Callable[..., Recorder]
) -> None:
    recorder = make_recorder()
    other = Journal(tmp_path / "1.journal", 1000)
    other.append([decisions("a")])
    assert recorder.record([decisions("b")]).state == LogState("database")
    # The kernel closes the files of a killed process.
    other.close()
    wait_until(lambda: "a" in database.ids, "the journal to be drained")
    wait_until(lambda: recorder.is_drained, "the recorder to finish")
    assert not (tmp_path / "1.journal").exists()
    assert recorder.record([decisions("c")]).state == LogState("database")
    assert database.ids == ["b", "a", "c"]


def test_a_service_that_died_is_reported_while_its_journal_cannot_be_drained(
    tmp_path: Path, database: FakeDatabase, make_recorder: Callable[..., Recorder]
) -> None:
    recorder = make_recorder()
    database.is_away = True
    left = Journal(tmp_path / "1.journal", 1000)
    left.append([decisions("a", "b")])
    left.close()
    degraded = LogState("journal", 2, "the database is away")
    wait_until(lambda: recorder.state == degraded, "the recorder to report the journal")


def test_an_activation_is_journaled_and_drained_before_the_decisions_after_it(
    database: FakeDatabase, make_recorder: Callable[..., Recorder]
) -> None:
    recorder = make_recorder()
    database.is_away = True
    assert recorder.record([activation("p")]).refusal is None
    assert not recorder.is_drained
    recorder.record([decisions("a"), activation("q")])
    database.is_away = False
    wait_until(lambda: recorder.is_drained, "the journal to be drained")
    assert database.ids == ["p", "q", "a"]
    recorder.record([activation("r"), decisions("b")])
    assert database.ids == ["p", "q", "a", "r", "b"]


def test_a_question_looks_at_the_database(database: FakeDatabase, make_recorder: Callable[..., Recorder]) -> None:
    recorder = make_recorder()
    database.is_away = True
    state = recorder.record([encode(Records([], []))]).state
    assert state.problem == "the database is away"
    assert recorder.is_drained


def test_what_the_draining_thread_finds_stays_said(tmp_path: Path, database: FakeDatabase) -> None:
    """Keep one problem text, as alternating texts would fill the log while the database is unavailable."""
    away = FakeDatabase(is_away=True)
    recorder = Recorder(away, Newer(), Journal(tmp_path / "0.journal", 100_000))
    recorder.start()
    recorder.record([encode(Records([], []))])
    wait_until(lambda: recorder.state.problem == "the database is newer", "the draining thread to look")
    assert recorder.record([decisions("a")]).state == LogState("journal", 1, "the database is newer")


class Newer:
    """A database that a newer version of the code has migrated."""

    def write(
        self,
        singles: Sequence[DecisionRecord],
        whole_batches: Sequence[BatchRecord],
        activations: Sequence[PolicyActivation] = (),
    ) -> None:
        raise StorageError("the database is newer")
