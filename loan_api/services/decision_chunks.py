"""Recorded decisions as columns, for exports and replays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loan_api.scoring.columns import Columns
from loan_api.services.audit import DecidingPolicy, Endpoint
from loan_api.services.decision_log import Decider


@dataclass(frozen=True)
class DecisionChunk:
    """n decisions by one model version and one policy at one endpoint: single decisions, or one batch.

    `decisions` are positions in `DECISIONS`, `rules` the codes of the policy's rules.
    """

    decider: Decider
    endpoint: Endpoint
    ids: Sequence[str]
    request_ids: Sequence[str]
    decided_at: Sequence[datetime]
    applications: Columns
    probabilities: NDArray[np.float64]
    predictions: NDArray[np.int8]
    outcomes: Sequence[int | None]
    decisions: NDArray[np.int8]
    rules: Sequence[str | None]
    policy: DecidingPolicy | None

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, count: int) -> Self:
        """Return the first `count` decisions, or all if there are fewer."""
        return self if count >= len(self) else self.picked(np.arange(count))

    def picked(self, places: NDArray[np.intp]) -> Self:
        """Return the decisions at these places."""
        rows = places.tolist()
        return type(self)(
            self.decider,
            self.endpoint,
            [self.ids[row] for row in rows],
            [self.request_ids[row] for row in rows],
            [self.decided_at[row] for row in rows],
            {name: values[places] for name, values in self.applications.items()},
            self.probabilities[places],
            self.predictions[places],
            [self.outcomes[row] for row in rows],
            self.decisions[places],
            [self.rules[row] for row in rows],
            self.policy,
        )
