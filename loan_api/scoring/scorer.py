"""From applications to probabilities of approval."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from loan_api.scoring.columns import Application, Columns
from loan_api.scoring.watched import WatchedDistribution


class Scorer(Protocol):
    """Anything that turns valid applications into probabilities of approval."""

    name: str

    def probability(self, application: Application) -> float:
        """P(approved) of one valid application."""

    def probabilities(self, applications: Columns) -> NDArray[np.float64]:
        """P(approved) of n valid applications, in order (n)."""


@dataclass(frozen=True)
class ScoringModel:
    """What scores, and the distribution that its decisions are watched in."""

    scorer: Scorer
    watched: WatchedDistribution
