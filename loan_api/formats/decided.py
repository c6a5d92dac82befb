"""The decisions on a batch, before they are encoded."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class DecidedBatch:
    """Predictions (n, 1 approved or 0 rejected) and P(approved) (n) in row order, with the model version and time."""

    predictions: NDArray[Any]
    probabilities: NDArray[Any]
    model_version: str
    timestamp: str
    processing_time: str
    batch_id: str
