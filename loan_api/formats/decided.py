"""A decided batch on its way to the client."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class DecidedBatch:
    """Predictions (n, 1 approved or 0 rejected) and P(approved) (n) in the order of the rows, and who decided when."""

    predictions: NDArray[Any]
    probabilities: NDArray[Any]
    model_version: str
    timestamp: str
    processing_time: str
    batch_id: str
