"""A worker writes single decisions itself if it can; otherwise the recorder does."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from loan_api.adapters.recording.protocol import Receipt, Records
from loan_api.adapters.recording.shortcut import Shortcut
from loan_api.errors import DatabaseBusyError, StorageError
from loan_api.services.decision_log import BatchRecord, Decider, DecisionRecord, LogState, PolicyActivation
from tests.support.fakes import NOW

DECIDER = Decider("loan_approval_model", "1", "1.0.0", 0.5)
SINGLE = Records([DecisionRecord("d", "r", NOW, DECIDER, b"{}", 0.5, 1)], [])
ACTIVATION = Records(SINGLE.decisions, [], [PolicyActivation("p", NOW, "a" * 64, "1", "text")])
BATCH = Records([], [BatchRecord("b", "r", NOW, DECIDER, 3, 1, b"x")])
QUESTION = Records([], [])


@dataclass
class Ways:
    """Counter of records by their path."""

    state: LogState = field(default_factory=lambda: LogState("database"))
    errors: list[StorageError] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def write(self, singles: Sequence[DecisionRecord], whole_batches: Sequence[BatchRecord]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append("shortcut")

    def recorder(self, records: Records) -> Receipt:
        self.taken.append("recorder")
        return Receipt(self.state, 0.0)


def test_it_is_taken_once_the_recorder_has_said_that_all_is_well() -> None:
    ways = Ways()
    shortcut = Shortcut(ways.write, ways.recorder)
    for records in (SINGLE, SINGLE, BATCH, QUESTION, ACTIVATION, SINGLE):
        assert shortcut.record(records).state == LogState("database")
    assert ways.taken == ["recorder", "shortcut", "recorder", "recorder", "recorder", "shortcut"]


def test_it_is_closed_while_the_journal_holds_anything() -> None:
    ways = Ways(LogState("journal", 5, "it is away"))
    shortcut = Shortcut(ways.write, ways.recorder)
    for _ in range(3):
        assert shortcut.record(SINGLE).state == ways.state
    ways.state = LogState("database")
    shortcut.record(QUESTION)
    shortcut.record(SINGLE)
    assert ways.taken == ["recorder"] * 4 + ["shortcut"]


def test_what_cannot_be_written_is_left_to_the_recorder() -> None:
    ways = Ways()
    shortcut = Shortcut(ways.write, ways.recorder)
    shortcut.record(QUESTION)
    ways.errors = [DatabaseBusyError("locked"), StorageError("it is away")]
    for _ in range(3):
        shortcut.record(SINGLE)
    assert ways.taken == ["recorder", "recorder", "recorder", "shortcut"]
