"""Attribution of a probability to the groups of a form: Shapley values against reference profiles.

An application's probability differs from the weighted mean probability of the reference profiles, the baseline. The
Shapley value of a group is its fair share of the difference: the mean change of the probability when the group's
values are taken from the application instead of the profile, over all orders in which groups can be taken.

With the profiles as baselines this is Baseline Shapley (Sundararajan and Najmi, arXiv 1908.08474; for adverse action
letters Nair et al., arXiv 2204.12365). Features in a group are taken together, and derived features are recomputed for
every mixture, so the value function is that of the served model itself.
"""

from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.form import Form
from loan_api.scoring.columns import Columns, row_count, rows_of
from loan_api.scoring.profiles import ReferenceProfiles
from loan_api.scoring.scorer import Scorer

# With more groups, Shapley values are estimated: there are 2**groups coalitions.
MOST_EXACT_GROUPS = 12
# Sampling stops once the standard error is below this.
ENOUGH_ERROR = 0.005
_PAIRS_PER_ROUND = 8
_MOST_ROUNDS = 16
_SEED = 20240313
# Mixtures are scored in portions of this size, which fit into the processor's cache.
_MIXTURES = 20_000

# A matrix (coalitions, groups): true for the groups whose values come from the application.
Coalitions = NDArray[np.bool_]


@dataclass(frozen=True)
class Attributions:
    """The contributions of the groups to the probabilities of n applications.

    `baseline` is the same for all; `contributions` is (n, groups). For each application, baseline and contributions
    sum to its probability (n). `standard_error` (n) is that of the least certain group; None if the values are exact.
    """

    baseline: float
    probabilities: NDArray[np.float64]
    contributions: NDArray[np.float64]
    standard_error: NDArray[np.float64] | None = None

    def picked(self, rows: NDArray[np.bool_]) -> "Attributions":
        """Return the attributions of the applications that the mask `rows` (n) selects."""
        errors = None if self.standard_error is None else self.standard_error[rows]
        return Attributions(self.baseline, self.probabilities[rows], self.contributions[rows], errors)


class Attributor:
    """Attributes probabilities of one scorer to the groups of its form."""

    def __init__(self, form: Form, scorer: Scorer, profiles: ReferenceProfiles) -> None:
        self._scorer = scorer
        self._weights = profiles.weight_column
        self._names = [name for group in form.groups for name in group.features]
        self._kinds = [np.int8 if name in form.codes else np.float64 for name in self._names]
        sizes = [len(group.features) for group in form.groups]
        self._groups = len(sizes)
        self._starts = np.cumsum([0, *sizes[:-1]])
        self._group_of = np.repeat(np.arange(self._groups), sizes)
        self._profiles = self._matrix(profiles.columns(form))
        self.is_exact = self._groups <= MOST_EXACT_GROUPS
        if self.is_exact:
            self._relevant = self._relevant_groups()
            count = len(self._relevant)
            coalitions = np.zeros((2**count, self._groups), dtype=np.bool_)
            coalitions[:, self._relevant] = all_coalitions(count)
            self._bits = 1 << np.arange(count)
            self._numbers = np.arange(len(coalitions))
            self._taken = coalitions.T[self._group_of]
            self._first_alike = self._first_profile_alike()
            self._shapley = np.zeros((self._groups, len(coalitions)))
            self._shapley[self._relevant] = shapley_weights(count)

    def attribute(self, applications: Columns) -> Attributions:
        """Attribute the probabilities of n applications: exactly, or estimated above `MOST_EXACT_GROUPS` groups."""
        if not self.is_exact:
            return self._estimate(applications)
        step = max(1, _MIXTURES // self._first_alike.size)
        rows = row_count(applications)
        values = np.concatenate(
            [self._exact_values(rows_of(applications, start, start + step)) for start in range(0, rows, step)]
        )
        return Attributions(float(values[0, 0]), values[:, -1], values @ self._shapley.T)

    def _estimate(self, applications: Columns) -> Attributions:
        each = [self._sampled(rows_of(applications, row, row + 1)) for row in range(row_count(applications))]
        return Attributions(
            each[0].baseline,
            np.concatenate([one.probabilities for one in each]),
            np.concatenate([one.contributions for one in each]),
            np.array([error for one in each if one.standard_error is not None for error in one.standard_error]),
        )

    def _sampled(self, application: Columns) -> Attributions:
        """Average over random orders of the groups, each with its reverse, until the standard error is small enough.

        Opposite orders cancel much of each other's variance (Mitchell et al., JMLR 23, 2022). The seed is fixed, so
        that the same application always gets the same answer.
        """
        groups = self._groups
        random = np.random.RandomState(_SEED)
        pairs = np.empty((0, groups))
        while True:
            forward = [random.permutation(groups) for _ in range(_PAIRS_PER_ROUND)]
            orders = np.array([order for each in forward for order in (each, each[::-1])])
            values = self._coalition_values(application, prefixes(orders)).reshape(len(orders), groups + 1)
            gains = np.empty(orders.shape)
            np.put_along_axis(gains, orders, np.diff(values, axis=1), axis=1)
            pairs = np.concatenate([pairs, (gains[::2] + gains[1::2]) / 2])
            error = float(pairs.std(axis=0, ddof=1).max() / np.sqrt(len(pairs)))
            if error < ENOUGH_ERROR or len(pairs) == _MOST_ROUNDS * _PAIRS_PER_ROUND:
                return Attributions(float(values[0, 0]), values[:1, -1], pairs.mean(axis=0)[None], np.array([error]))

    # A mixture has the values of a coalition's groups from the application and the rest from a profile. A group whose
    # values are the same in both can join the coalition without changing the mixture: equal mixtures have the same
    # coalition then, and are scored once.

    def _exact_values(self, applications: Columns) -> NDArray[np.float64]:
        """Return the mean probability of every coalition for n applications (n, coalitions)."""
        rows, (coalitions, profiles) = row_count(applications), self._first_alike.shape
        own = self._matrix(applications)
        same = self._same(own, self._profiles)[self._relevant]
        alike = self._bits @ same.reshape(len(same), -1)
        joined = self._numbers[None, :, None] | alike.reshape(rows, 1, profiles)
        mixtures = joined * profiles + self._first_alike[joined, np.arange(profiles)]
        mixtures += (np.arange(rows) * (coalitions * profiles))[:, None, None]
        needed = np.zeros(mixtures.size, dtype=np.bool_)
        needed[mixtures] = True
        row, coalition, profile = np.unravel_index(np.flatnonzero(needed), mixtures.shape)
        probabilities = self._scored(self._taken[:, coalition], own[:, row], profile)
        places = np.cumsum(needed) - 1
        means: NDArray[np.float64] = probabilities[places[mixtures]] @ self._weights
        return means

    def _coalition_values(self, application: Columns, coalitions: Coalitions) -> NDArray[np.float64]:
        """Return the mean probability of each coalition for one application (coalitions)."""
        own = self._matrix(application)
        alike = self._same(own, self._profiles)[:, 0].T
        joined = coalitions[:, None, :] | alike
        profile = np.where(joined.all(axis=2), 0, np.arange(len(alike)))
        # Bytes, because there may be more groups than an integer has bits.
        packed = np.concatenate([np.packbits(joined, axis=2), profile[:, :, None].astype(np.uint8)], axis=2)
        _, firsts, places = np.unique(
            packed.reshape(-1, packed.shape[2]), axis=0, return_index=True, return_inverse=True
        )
        taken = joined.reshape(-1, self._groups)[firsts].T[self._group_of]
        probabilities = self._scored(taken, own, profile.reshape(-1)[firsts])
        means: NDArray[np.float64] = probabilities[places].reshape(profile.shape) @ self._weights
        return means

    def _scored(
        self, taken: NDArray[np.bool_], own: NDArray[np.float64], profile: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Score n mixtures that take some features (features, n) from `own` and the others from a profile (n)."""
        mixtures = np.where(taken, own, self._profiles[:, profile])
        columns = {
            name: values.astype(kind, copy=False)
            for name, kind, values in zip(self._names, self._kinds, mixtures, strict=True)
        }
        return self._scorer.probabilities(columns)

    def _relevant_groups(self) -> NDArray[np.intp]:
        """Return the groups that can contribute. The others contribute 0, so they need not be mixed."""
        relevant = self._scorer.relevant_features
        if not relevant:
            return np.arange(self._groups)
        return np.unique(self._group_of[[name in relevant for name in self._names]])

    def _first_profile_alike(self) -> NDArray[np.intp]:
        """Return, for every coalition, the first profile that makes the same mixtures as each (coalitions, profiles).

        Profiles make the same mixtures if they agree in all other groups.
        """
        alike = np.tensordot(self._bits, self._same(self._profiles, self._profiles)[self._relevant], axes=1)
        first: NDArray[np.intp] = ((self._numbers[:, None, None] | alike) == self._numbers[-1]).argmax(axis=2)
        return first

    def _matrix(self, applications: Columns) -> NDArray[np.float64]:
        """Return the values of n applications (features, n), the features of a group next to each other."""
        return np.array([applications[name] for name in self._names], dtype=np.float64)

    def _same(self, these: NDArray[np.float64], those: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether two matrices agree in all features of a group (groups, n, m)."""
        one, other = these[:, :, None], those[:, None, :]
        # Missing numbers are NaN.
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        return np.logical_and.reduceat(same, self._starts, axis=0)


def all_coalitions(groups: int) -> Coalitions:
    """Return every coalition; group i takes part in coalition c if bit i of c is set."""
    return (np.arange(2**groups)[:, None] >> np.arange(groups) & 1).astype(np.bool_)


def shapley_weights(groups: int) -> NDArray[np.float64]:
    """Return the matrix (groups, coalitions) that turns the values of all coalitions into Shapley values.

    A coalition S without the group has the weight -|S|! (G - |S| - 1)! / G!; S with the group has the same weight, but
    positive (Shapley, 1953).
    """
    coalitions = all_coalitions(groups)
    sizes = coalitions.sum(axis=1)
    weight = np.array([factorial(size) * factorial(groups - size - 1) / factorial(groups) for size in range(groups)])
    with_group = coalitions.T
    weights: NDArray[np.float64] = np.where(with_group, weight[sizes - 1], -weight[np.minimum(sizes, groups - 1)])
    return weights


def prefixes(orders: NDArray[np.int64]) -> Coalitions:
    """Return the coalitions that arise as groups join in these orders (k, groups): groups + 1 for each order."""
    count, groups = orders.shape
    ranks = np.argsort(orders, axis=1)
    joined: Coalitions = ranks[:, None, :] < np.arange(groups + 1)[None, :, None]
    return joined.reshape(count * (groups + 1), groups)
