"""Simulation of a policy on past applications: its decisions compared with the recorded ones."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.decision import DECISIONS
from loan_api.credit.features import CategoryFeature
from loan_api.credit.policy import Policy
from loan_api.scoring.columns import Columns

# Names of the counts by outcome: 0 is bad, 1 is good, and -1, the last position, is unknown.
OUTCOMES = ("bad", "good", "unknown")
# Axes: recorded decision, decision of the policy, outcome.
_CELLS = (len(DECISIONS), len(DECISIONS), len(OUTCOMES))


@dataclass(frozen=True)
class PastDecisions:
    """n recorded decisions: some features of the applications, probabilities, decisions, and outcomes.

    `decisions` are positions in `DECISIONS`; `outcomes` are 1 good, 0 bad, -1 unknown.
    """

    applications: Columns
    probabilities: NDArray[np.float64]
    decisions: NDArray[np.int8]
    outcomes: NDArray[np.int8]


@dataclass(frozen=True)
class Transition:
    """A number of decisions that a policy leaves (`before` is `after`) or changes, by outcome."""

    before: str
    after: str
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """The number of decisions, whatever their outcome."""
        return sum(self.counts.values())


class Simulation:
    """The counts of a simulation. `by` are the categories whose values are counted separately."""

    def __init__(self, policy: Policy, by: Sequence[CategoryFeature]) -> None:
        self.policy = policy
        self._by = by
        # The last position counts decisions without a rule, or missing values.
        self._rules = np.zeros((len(policy.rules) + 1, *_CELLS), np.int64)
        self._segments = {each.name: np.zeros((len(each.values) + 1, *_CELLS), np.int64) for each in by}

    def add(self, past: PastDecisions) -> None:
        """Decide past applications by the policy and count the results."""
        decisions, rules = self.policy.decide_columns(past.applications, past.probabilities)
        cells = (past.decisions, decisions, past.outcomes)
        self._rules += _counted(self._rules.shape, rules, *cells)
        for name in self._segments:
            self._segments[name] += _counted(self._segments[name].shape, past.applications[name], *cells)

    @property
    def total(self) -> int:
        """The number of decisions."""
        return int(self._rules.sum())

    @property
    def changed(self) -> int:
        """The number of decisions that the policy would have made differently."""
        return sum(each.total for each in self.transitions() if each.before != each.after)

    def transitions(self) -> Sequence[Transition]:
        """Return all transitions, in the order of `DECISIONS`, even those without a decision."""
        return list(_transitions(self._rules.sum(axis=0)))

    def by_rule(self) -> Sequence[tuple[str | None, Sequence[Transition]]]:
        """Return the transitions that occur for each rule; None stands for decisions by the probability."""
        return list(zip((*self.policy.codes, None), map(_occurring, self._rules), strict=True))

    def by_segment(self) -> Mapping[str, Sequence[tuple[str | None, Sequence[Transition]]]]:
        """Return the transitions that occur for each value of each category; None stands for missing."""
        return {
            each.name: [
                (value, found)
                for value, found in zip((*each.values, None), map(_occurring, self._segments[each.name]), strict=True)
                if value is not None or found
            ]
            for each in self._by
        }


def simulate(policy: Policy, chunks: Iterable[PastDecisions], by: Sequence[CategoryFeature] = ()) -> Simulation:
    """Decide recorded applications by the policy, using their recorded probabilities."""
    simulation = Simulation(policy, by)
    for chunk in chunks:
        simulation.add(chunk)
    return simulation


def _counted(shape: tuple[int, ...], *places: NDArray[Any]) -> NDArray[np.int64]:
    """Count each combination of places; -1 is the last place."""
    each = [np.where(column < 0, size - 1, column) for column, size in zip(places, shape, strict=True)]
    return np.bincount(np.ravel_multi_index(each, shape), minlength=int(np.prod(shape))).reshape(shape)


def _transitions(cells: NDArray[np.int64]) -> Iterator[Transition]:
    for before, row in zip(DECISIONS, cells.tolist(), strict=True):
        for after, counts in zip(DECISIONS, row, strict=True):
            yield Transition(before, after, dict(zip(OUTCOMES, counts, strict=True)))


def _occurring(cells: NDArray[np.int64]) -> list[Transition]:
    return [each for each in _transitions(cells) if each.total]
