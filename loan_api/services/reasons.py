"""Reasons for decisions, and the changes that would reverse them.

`ReasonsService` finds the decision and the model version that made it. An `Explainer` does the work in a batch
process, so that explanations never delay decisions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loan_api.credit.decision import decide
from loan_api.credit.form import Form
from loan_api.credit.policy import Policy
from loan_api.credit.reasons import Reason, principal_reasons, reason_of_rule
from loan_api.errors import ReasonsUnavailableError, UnknownDecisionError
from loan_api.scoring.columns import Application
from loan_api.scoring.parity import TOLERANCE
from loan_api.services.admission import Places
from loan_api.services.audit import FoundDecision, RecordedBatch, RecordedDecision
from loan_api.services.decision_log import Decider
from loan_api.services.explanation import (
    Contributions,
    ContributionsJob,
    FoundChanges,
    Replayed,
    ReplayJob,
    WhatIfJob,
)
from loan_api.services.model_registry import ModelRegistry


class Explainer(Protocol):
    """Explains decisions without delaying others. All methods raise SaturatedError if that takes too long."""

    def contributions(self, job: ContributionsJob) -> Contributions:
        """Return the contribution of every group. Raises ReasonsUnavailableError."""

    def changes(self, job: WhatIfJob) -> FoundChanges:
        """Return the smallest changes that would lead to approval."""

    def replayed(self, job: ReplayJob) -> Replayed:
        """Return the probability as the model computes it now."""


class ModelFiles(Protocol):
    """Finds the files of registered versions."""

    def locate(self, decider: Decider) -> Path:
        """Return the verified files of the version that decided, fetched from the registry if necessary.

        Raises ReasonsUnavailableError if the registry no longer has it, ModelUnavailableError if it cannot be read.
        """


@dataclass(frozen=True)
class ExplainedDecision:
    """A decision with the contribution of every group and, unless it was an approval, the principal reasons."""

    decision: RecordedDecision
    contributions: Contributions
    reasons: Sequence[Reason]


@dataclass(frozen=True)
class ReversedDecision:
    """A decision and the changes that would have reversed it."""

    decision: RecordedDecision
    found: FoundChanges


@dataclass(frozen=True)
class ReplayedDecision:
    """A decision, and the probability and prediction that its model version computes now."""

    decision: RecordedDecision
    probability: float
    prediction: int

    @property
    def difference(self) -> float:
        """Return the probability minus the recorded one; 0 if every bit agrees."""
        return self.probability - self.decision.probability

    @property
    def agrees(self) -> bool:
        """Return whether the prediction is the same, and the probability up to rounding."""
        return self.prediction == self.decision.prediction and abs(self.difference) <= TOLERANCE


class ReasonsService:
    """Explains decisions by the model version that made them."""

    def __init__(
        self,
        form: Form,
        registry: ModelRegistry,
        find: Callable[[str], FoundDecision | RecordedBatch],
        files: ModelFiles,
        explainer: Explainer,
        places: Places,
        policy_of: Callable[[str], Policy | None],
    ) -> None:
        self._form = form
        self._policy_of = policy_of
        self._registry = registry
        self._find = find
        self._files = files
        self._explainer = explainer
        self._places = places

    def reasons_for(self, application: Application, probability: float, artifact: Path) -> Sequence[Reason]:
        """Return the principal reasons against an application that the model in `artifact` has just scored.

        Raises ReasonsUnavailableError or SaturatedError.
        """
        return self._principal(self.contributions_for(application, probability, artifact))

    def contributions_for(self, application: Application, probability: float, artifact: Path) -> Contributions:
        """Return the contribution of every group to a probability of the model in `artifact`.

        Raises as `reasons_for` does.
        """
        return self._contributions(ContributionsJob(str(artifact), application, probability))

    def changes_for(
        self, application: Application, threshold: float, policy: Policy | None, artifact: Path
    ) -> FoundChanges:
        """Return the changes that would lead to approval by the model in `artifact`.

        The policy approves or, without one, the threshold.

        Raises SaturatedError.
        """
        with self._places.taken():
            text = policy.text if policy else None
            return self._explainer.changes(WhatIfJob(str(artifact), application, threshold, text))

    def reasons_of(self, decision_id: str) -> ExplainedDecision:
        """Explain a recorded decision. An approved one has contributions, but no reasons.

        Raises as `AuditService.find` and `ModelFiles.locate` do, and ReasonsUnavailableError or SaturatedError.
        """
        decision = self._decision(decision_id)
        artifact = str(self._artifact(decision.decider))
        contributions = self._contributions(ContributionsJob(artifact, decision.features, decision.probability))
        return ExplainedDecision(decision, contributions, self._reasons(decision, contributions))

    def what_if(self, decision_id: str) -> ReversedDecision:
        """Find the changes that would have led to approval. Raises as `reasons_of` does."""
        decision = self._decision(decision_id)
        if decision.verdict.decision == "approve":
            return ReversedDecision(decision, FoundChanges((), together=False))
        artifact, policy = self._artifact(decision.decider), self._policy(decision)
        found = self.changes_for(decision.features, decision.decider.threshold, policy, artifact)
        return ReversedDecision(decision, found)

    def replay(self, decision_id: str) -> ReplayedDecision:
        """Score a recorded application again with the deciding version and threshold. Raises as `reasons_of` does."""
        decision = self._decision(decision_id)
        job = ReplayJob(str(self._artifact(decision.decider)), decision.features)
        with self._places.taken():
            probability = self._explainer.replayed(job).probability
        return ReplayedDecision(decision, probability, decide(probability, decision.decider.threshold))

    def is_at_hand(self, decider: Decider) -> bool:
        """Return whether the version that decided is the served one, so that nothing must be fetched."""
        return self._registry.is_loaded and self._registry.current.decider == decider

    def _decision(self, decision_id: str) -> RecordedDecision:
        found = self._find(decision_id)
        if isinstance(found, RecordedBatch):
            raise UnknownDecisionError
        return found.decision

    def _policy(self, decision: RecordedDecision) -> Policy | None:
        if decision.policy is None:
            return None
        policy = self._policy_of(decision.policy.digest)
        if policy is None:
            raise ReasonsUnavailableError("The policy that decided is not recorded, or no longer fits the form.")
        return policy

    def _reasons(self, decision: RecordedDecision, contributions: Contributions) -> list[Reason]:
        verdict = decision.verdict
        if verdict.decision == "approve":
            return []
        # A rule that refers is no reason, so its text is not needed.
        declined_by_rule = verdict.decision == "decline" and verdict.rule is not None
        policy = self._policy(decision) if declined_by_rule else None
        rule = reason_of_rule(policy, verdict) if policy else None
        return [rule] if rule else self._principal(contributions)

    def _artifact(self, decider: Decider) -> Path:
        if self.is_at_hand(decider):
            return self._registry.current.artifact
        return self._files.locate(decider)

    def _contributions(self, job: ContributionsJob) -> Contributions:
        with self._places.taken():
            return self._explainer.contributions(job)

    def _principal(self, explained: Contributions) -> list[Reason]:
        return principal_reasons(self._form.groups, explained.contributions)
