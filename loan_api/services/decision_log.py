"""What is kept of every decision, and the log that keeps it before the decision is answered."""

from datetime import datetime
from typing import Literal, Protocol

import msgspec


class Decider(msgspec.Struct, frozen=True, array_like=True):
    """The model version that decided, and the probability from which on it approves."""

    model_name: str
    registry_version: str
    semantic_version: str
    threshold: float


class DecisionRecord(msgspec.Struct, frozen=True, array_like=True):
    """One decision on one application; `features` is the application as it was scored, as JSON."""

    decision_id: str
    request_id: str
    decided_at: datetime
    decider: Decider
    features: bytes
    probability: float
    prediction: int


class BatchRecord(msgspec.Struct, frozen=True, array_like=True):
    """The decisions on a batch; `content` is what `loan_api.formats.batch_content` packs."""

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
    """Where decisions go now, how many wait in the journal for the database, and what is wrong, if anything is."""

    recorded_in: Where
    waiting: int = 0
    problem: str | None = None


class DecisionLog(Protocol):
    """Keeps records for good."""

    def start(self) -> None:
        """Gets ready for them."""

    def record(self, record: Record) -> None:
        """Returns once the record is kept. Raises NotRecordedError where it is not certain that it will be."""

    @property
    def state(self) -> LogState | None:
        """As of a moment ago; None for a log that keeps nothing."""


class NoDecisionLog:
    """What `DECISION_LOG=off` asks for: nothing is kept."""

    state = None

    def start(self) -> None:
        """Nothing to get ready."""

    def record(self, record: Record) -> None:
        """Forgets it."""
