"""The decisions on a batch, before they are encoded."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.decision import DECISIONS


@dataclass(frozen=True)
class DecidedBatch:
    """Predictions (n, 1 approved or 0 rejected) and P(approved) (n) in row order, with the model version and time.

    `decisions` (n) are positions in `DECISIONS`, `rules` (n) positions in `codes`, or -1 for none.
    """

    predictions: NDArray[Any]
    probabilities: NDArray[Any]
    model_version: str
    timestamp: str
    processing_time: str
    batch_id: str
    decisions: NDArray[np.int8]
    rules: NDArray[np.int8]
    codes: tuple[str, ...]
    policy_version: str | None

    def named(self, start: int = 0, stop: int | None = None) -> tuple[list[str], list[str | None]]:
        """Return the decisions and the codes of their rules, None for none, from row `start` up to `stop`."""
        decisions = np.array(DECISIONS, dtype=object)[self.decisions[start:stop]]
        # The code for none is last.
        codes = np.array([*self.codes, None], dtype=object)[self.rules[start:stop]]
        return decisions.tolist(), codes.tolist()
