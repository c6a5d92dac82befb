"""The interface of scorers."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from loan_api.scoring.columns import Application, Columns


class Scorer(Protocol):
    """Turns valid applications into approval probabilities."""

    name: str

    @property
    def relevant_features(self) -> frozenset[str] | None:
        """Return the features that can influence a probability; None if that is not known."""

    def probability(self, application: Application) -> float:
        """Return the approval probability of one valid application."""

    def probabilities(self, applications: Columns) -> NDArray[np.float64]:
        """Return the approval probabilities of n valid applications, in order (n)."""
