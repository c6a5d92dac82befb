"""Results as plain values: one record per measurement and round."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tools.benchmarks.memory import Weights


@dataclass(frozen=True)
class Single:
    """Single requests, closed loop. Latencies in milliseconds."""

    round: int
    server: str
    connections: int
    per_second: float
    p50: float
    p99: float
    failed: int


@dataclass(frozen=True)
class Batch:
    """Batches of `rows`, closed loop. Latencies in milliseconds; refusals are not failures."""

    round: int
    server: str
    rows: int
    connections: int
    rows_per_second: float
    p50: float
    p99: float
    refused: int
    failed: int


@dataclass(frozen=True)
class Mixed:
    """Single requests on a schedule while batches are posted. Latencies in milliseconds from the scheduled time."""

    round: int
    offered_per_second: int
    answers: int
    p50: float
    p99: float
    highest: float
    failed: int
    client_lag_p99: float
    batch_rows_per_second: float
    batches_refused: int
    batches_failed: int


@dataclass(frozen=True)
class Pair:
    """The same load on two services in immediate succession: a rate, or a time if `is_time`."""

    compared: str
    what: str
    connections: int
    this: float
    other: float
    is_time: bool = False

    @property
    def ratio(self) -> float:
        """Return the speed of this service relative to the other."""
        return self.other / self.this if self.is_time else self.this / self.other


@dataclass(frozen=True)
class Explained:
    """Refusals over one connection: p50 in milliseconds without and with reasons, and p99 with them."""

    round: int
    plain: float
    explained: float
    explained_p99: float
    failed: int


@dataclass(frozen=True)
class Move:
    """A promotion or rollback under load.

    `seconds` pass until the old version's last answer (infinite if it stays). `strangers` are versions named in
    answers that are neither the old nor the new one.
    """

    action: str
    answers: int
    failed: int
    refused: int
    seconds: float
    polls: float
    strangers: tuple[str, ...]


@dataclass(frozen=True)
class Memory:
    """Memory of a server's processes after the load."""

    round: int
    server: str
    kinds: Mapping[str, Weights]


@dataclass(frozen=True)
class Start:
    """Time from process start to the first prediction; a `cold` start has no model cache."""

    server: str
    cold: bool
    seconds: float


@dataclass
class Results:
    """All measurements of one run."""

    machine: Mapping[str, str]
    workers: int
    candidate: str
    singles: list[Single] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    mixed: list[Mixed] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    reasons: list[Explained] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
