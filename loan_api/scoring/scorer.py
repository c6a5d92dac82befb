"""From applications to probabilities of approval."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from loan_api.scoring.columns import Application, Columns


class Scorer(Protocol):
    """Anything that turns valid applications into probabilities of approval."""

    name: str

    def probability(self, application: Application) -> float:
        """P(approved) of one valid application."""

    def probabilities(self, applications: Columns) -> NDArray[np.float64]:
        """P(approved) of n valid applications, in order (n)."""
