"""Records of decisions, and the log that stores each before the decision is answered."""

from datetime import datetime
from typing import Any, Literal, Protocol, Self

import msgspec

from loan_api.credit.decision import Decision


class Decider(msgspec.Struct, frozen=True, array_like=True):
    """The identity of the model version that decided, and its threshold.

    Messages and the journal hold the fields in order. The decision log's tables have a column per field. The API and
    exports use the same names, except that `semantic_version` is published as `model_version`.
    """

    model_name: str
    registry_version: str
    semantic_version: str
    threshold: float

    @classmethod
    def of_row(cls, row: Any) -> Self:
        """Read the decider from the columns of a recorded decision or batch."""
        return cls(row.model_name, row.registry_version, row.semantic_version, row.threshold)

    def to_columns(self) -> dict[str, Any]:
        """Return the values for the columns of a recorded decision or batch."""
        return msgspec.structs.asdict(self)

    def to_public(self) -> dict[str, Any]:
        """Return the decider as the API and exports publish it."""
        return {
            "model_name": self.model_name,
            "registry_version": self.registry_version,
            "model_version": self.semantic_version,
            "threshold": self.threshold,
        }


class DecisionRecord(msgspec.Struct, frozen=True, array_like=True):
    """A single decision; `features` is the application as it was scored, as JSON."""

    decision_id: str
    request_id: str
    decided_at: datetime
    decider: Decider
    features: bytes
    probability: float
    prediction: int
    # The policy's decision, the rule's code and the policy's digest. Records of earlier versions lack them.
    decision: Decision | None = None
    rule: str | None = None
    policy: str | None = None


class BatchRecord(msgspec.Struct, frozen=True, array_like=True):
    """The decisions of a batch; `content` is packed by `loan_api.formats.batch_content`."""

    batch_id: str
    request_id: str
    decided_at: datetime
    decider: Decider
    rows: int
    approved: int
    content: bytes
    # Numbers of referred and declined applications, and the policy's digest, as above.
    referred: int | None = None
    declined: int | None = None
    policy: str | None = None


class PolicyActivation(msgspec.Struct, frozen=True, array_like=True):
    """The beginning of a policy's decisions, recorded before the first of them.

    Without digest, version and text, it is the end of the previous policy. Ids sort chronologically.
    """

    id: str
    activated_at: datetime
    digest: str | None = None
    version: str | None = None
    text: str | None = None


Record = DecisionRecord | BatchRecord | PolicyActivation
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
