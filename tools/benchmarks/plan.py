"""Extent of the measurements."""

from collections.abc import Mapping
from dataclasses import dataclass, field

COMPARED_CONNECTIONS = 16
LARGEST_BATCH = 10_000


@dataclass(frozen=True)
class Plan:
    """Durations and repetitions. `poll_seconds` of None keeps the service's default."""

    rounds: int = 3
    starts: int = 3
    warm_up_seconds: float = 1.5
    single_connections: tuple[int, ...] = (1, 4, 16, 64)
    single_seconds: int = 3
    batch_connections: Mapping[int, tuple[int, ...]] = field(
        default_factory=lambda: {100: (1, 4, 16), 1000: (1, 4, 16, 64), LARGEST_BATCH: (1, 4, 16)}
    )
    batch_seconds: Mapping[int, float] = field(default_factory=lambda: {100: 2.0, 1000: 2.0, LARGEST_BATCH: 4.0})
    # The largest batches, in the format that MLflow parses more slowly.
    same_body_seconds: float = 4.0
    mixed_rate: int = 200
    mixed_seconds: float = 15.0
    mixed_connections: int = 64
    mixed_batch_clients: int = 2
    pairs: int = 10
    pair_seconds: int = 2
    poll_seconds: int | None = None


def quick(rounds: int) -> Plan:
    """Return a smoke-test plan that only shows that everything works; its figures are meaningless."""
    return Plan(
        rounds=rounds,
        starts=1,
        warm_up_seconds=0.5,
        single_seconds=1,
        batch_seconds={100: 0.5, 1000: 0.5, LARGEST_BATCH: 1.0},
        same_body_seconds=1.0,
        mixed_seconds=3.0,
        pairs=2,
        pair_seconds=1,
        poll_seconds=2,
    )
