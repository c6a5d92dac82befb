"""Explanations of decisions: the jobs that batch processes are given, and their results."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from loan_api.credit.decision import APPROVE
from loan_api.credit.form import Form
from loan_api.credit.policy import parsed_policy
from loan_api.errors import ReasonsUnavailableError
from loan_api.scoring.attribution import Attributor
from loan_api.scoring.columns import Columns, columns_of
from loan_api.scoring.package import ReferencePackage
from loan_api.scoring.parity import TOLERANCE
from loan_api.scoring.scorer import Scorer
from loan_api.scoring.what_if import WhatIfSearch


class ContributionsJob(msgspec.Struct, frozen=True, tag=True):
    """Attribute the probability of an application to the groups of the form, by the model in `artifact`."""

    artifact: str
    application: Mapping[str, Any]
    probability: float


class WhatIfJob(msgspec.Struct, frozen=True, tag=True):
    """Find changes that would lead to approval of an application by the policy and the model in `artifact`.

    `policy` is the text of the policy; without one, the threshold decides.
    """

    artifact: str
    application: Mapping[str, Any]
    threshold: float
    policy: str | None = None


class ReplayJob(msgspec.Struct, frozen=True, tag=True):
    """Score an application again, by the model in `artifact`."""

    artifact: str
    application: Mapping[str, Any]


class Replayed(msgspec.Struct, frozen=True, tag=True):
    """The probability of an application that was scored again."""

    probability: float


class Contributions(msgspec.Struct, frozen=True, tag=True):
    """The contribution of each group to a probability; `standard_error` is None if they are exact."""

    probability: float
    baseline: float
    contributions: Mapping[str, float]
    standard_error: float | None = None


class FoundChange(msgspec.Struct, frozen=True):
    """A change of one feature, and the probability that results."""

    feature: str
    old: Any
    new: Any
    probability: float


class FoundChanges(msgspec.Struct, frozen=True, tag=True):
    """The changes that would each reverse a decision or, if `together`, a pair needed at once."""

    changes: Sequence[FoundChange]
    together: bool


class ExplainedModel:
    """A model with everything needed to explain its decisions."""

    def __init__(self, form: Form, scorer: Scorer, package: ReferencePackage) -> None:
        self._form = form
        self._scorer = scorer
        self._search = WhatIfSearch(form, scorer, package.distribution)
        # Groups and texts come from the service's form, where they may change without retraining.
        self._attributor = None if package.profiles is None else Attributor(form, scorer, package.profiles)

    def contributions(self, job: ContributionsJob) -> Contributions:
        """Return the contribution of every group.

        Raises ReasonsUnavailableError if the model has no reference profiles or does not reproduce the probability.
        """
        if self._attributor is None:
            raise ReasonsUnavailableError(
                "The model that decided was registered without reference profiles, so there is nothing to compare the"
                " application to."
            )
        found = self._attributor.attribute(columns_of(self._form, [job.application]))
        probability = float(found.probabilities[0])
        if not abs(probability - job.probability) <= TOLERANCE:
            raise ReasonsUnavailableError("The model that decided no longer reproduces this decision.")
        # Scoring a batch rounds differently from scoring one application; the sum must be the recorded probability.
        contributions = found.contributions[0] + (job.probability - probability) / len(self._form.groups)
        return Contributions(
            job.probability,
            found.baseline,
            dict(zip((group.name for group in self._form.groups), contributions.tolist(), strict=True)),
            None if found.standard_error is None else float(found.standard_error[0]),
        )

    def replayed(self, job: ReplayJob) -> Replayed:
        """Return the probability as the model computes it now."""
        return Replayed(self._scorer.probability(job.application))

    def changes(self, job: WhatIfJob) -> FoundChanges:
        """Return the smallest changes that would lead to approval."""
        policy = None if job.policy is None else parsed_policy(job.policy, self._form)

        def approves(columns: Columns, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
            if policy is None:
                return probabilities >= job.threshold
            approved: NDArray[np.bool_] = policy.decide_columns(columns, probabilities)[0] == APPROVE
            return approved

        found = self._search.search(job.application, approves)
        return FoundChanges(
            [FoundChange(each.feature, each.old, each.new, each.probability) for each in found.changes], found.together
        )
