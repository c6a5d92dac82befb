"""The choice of the approval threshold."""

import numpy as np

from training.selection.metrics import Outcomes, Probabilities


def choose_threshold(outcomes: Outcomes, probabilities: Probabilities, wrong_approval_cost: float) -> float:
    """Return the threshold with the lowest cost over n out-of-fold probabilities.

    A wrong rejection costs 1, a wrong approval `wrong_approval_cost`. Approving everyone or no one is considered, too.
    Of equally cheap thresholds, the one nearest to c / (1 + c) wins, which is optimal for exact probabilities (Elkan,
    The Foundations of Cost-Sensitive Learning, 2001).
    """
    exact = wrong_approval_cost / (1 + wrong_approval_cost)
    distinct = np.unique(probabilities)
    between = (distinct[:-1] + distinct[1:]) / 2
    all_or_none = [distinct[0], np.nextafter(distinct[-1], np.inf)]
    thresholds = np.unique(np.concatenate([between, all_or_none, [exact]]))
    # Applications below the threshold are rejected. Sorting counts them for all thresholds at once.
    approved_below = np.searchsorted(np.sort(probabilities[outcomes == 1]), thresholds, side="left")
    rejected_below = np.searchsorted(np.sort(probabilities[outcomes == 0]), thresholds, side="left")
    wrong_approvals = np.count_nonzero(outcomes == 0) - rejected_below
    costs = approved_below + wrong_approval_cost * wrong_approvals
    cheapest = thresholds[np.isclose(costs, costs.min(), rtol=0, atol=1e-9)]
    return float(cheapest[np.argmin(np.abs(cheapest - exact))])
