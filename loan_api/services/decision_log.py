"""Records of decisions, and the log that stores each before the decision is answered."""

from datetime import datetime
from typing import Literal, Protocol

import msgspec


class Decider(msgspec.Struct, frozen=True, array_like=True):
    """A model version and its threshold: it approves at this probability or above."""

    model_name: str
    registry_version: str
    semantic_version: str
    threshold: float


class DecisionRecord(msgspec.Struct, frozen=True, array_like=True):
    """A single decision; `features` is the application as it was scored, as JSON."""

    decision_id: str
    request_id: str
    decided_at: datetime
    decider: Decider
    features: bytes
    probability: float
    prediction: int


class BatchRecord(msgspec.Struct, frozen=True, array_like=True):
    """The decisions of a batch; `content` is packed by `loan_api.formats.batch_content`."""

    batch_id: str
    request_id: str
    decided_at: datetime
    decider: Decider
    rows: int
    approved: int
    content: bytes


Record = DecisionRecord | BatchRecord
Where = Literal["database", "journal", "nowhere"]


class LogState(msgspec.Struct, frozen=True):
    """The current destination of records, how many are waiting in journals, and the problem, if any."""

    recorded_in: Where
    waiting: int = 0
    problem: str | None = None


class DecisionLog(Protocol):
    """A durable log of records."""

    def start(self) -> None:
        """Prepare for the first record."""

    def record(self, record: Record) -> None:
        """Return once the record is stored. Raises NotRecordedError if that is uncertain."""

    @property
    def state(self) -> LogState | None:
        """Return the recent state; None for a log that stores nothing."""


class NoDecisionLog:
    """The log for `DECISION_LOG=off`, which stores nothing."""

    state = None

    def start(self) -> None:
        """Do nothing."""

    def record(self, record: Record) -> None:
        """Discard the record."""
