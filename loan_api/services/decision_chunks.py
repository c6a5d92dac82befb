"""Recorded decisions as columns, for exports and replays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loan_api.scoring.columns import Columns, rows_of
from loan_api.services.audit import Endpoint
from loan_api.services.decision_log import Decider


@dataclass(frozen=True)
class DecisionChunk:
    """n decisions by one model version at one endpoint: single decisions, or one batch."""

    decider: Decider
    endpoint: Endpoint
    ids: Sequence[str]
    request_ids: Sequence[str]
    decided_at: Sequence[datetime]
    applications: Columns
    probabilities: NDArray[np.float64]
    predictions: NDArray[np.int8]
    outcomes: Sequence[int | None]

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, count: int) -> Self:
        """Return the first `count` decisions, or all if there are fewer."""
        if count >= len(self):
            return self
        return type(self)(
            self.decider,
            self.endpoint,
            self.ids[:count],
            self.request_ids[:count],
            self.decided_at[:count],
            rows_of(self.applications, stop=count),
            self.probabilities[:count],
            self.predictions[:count],
            self.outcomes[:count],
        )
