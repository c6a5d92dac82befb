"""Reasons for decisions, and the changes that would reverse them.

`ReasonsService` finds the decision and the model version that made it. An `Explainer` does the work in a batch
process, so that explanations never delay decisions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loan_api.credit.decision import APPROVED
from loan_api.credit.form import Form
from loan_api.credit.reasons import Reason, principal_reasons
from loan_api.errors import UnknownDecisionError
from loan_api.scoring.columns import Application
from loan_api.services.admission import Places
from loan_api.services.audit import FoundDecision, RecordedBatch, RecordedDecision
from loan_api.services.decision_log import Decider
from loan_api.services.explanation import Contributions, ContributionsJob, FoundChanges, WhatIfJob
from loan_api.services.model_registry import ModelRegistry


class Explainer(Protocol):
    """Explains decisions without delaying others. Both methods raise SaturatedError if that takes too long."""

    def contributions(self, job: ContributionsJob) -> Contributions:
        """Return the contribution of every group. Raises ReasonsUnavailableError."""

    def changes(self, job: WhatIfJob) -> FoundChanges:
        """Return the smallest changes that would reverse a refusal."""


class ModelFiles(Protocol):
    """Finds the files of registered versions."""

    def locate(self, decider: Decider) -> Path:
        """Return the verified files of the version that decided, fetched from the registry if necessary.

        Raises ReasonsUnavailableError if the registry no longer has it, ModelUnavailableError if it cannot be read.
        """


@dataclass(frozen=True)
class ExplainedDecision:
    """A decision with the contribution of every group, and the principal reasons if it was refused."""

    decision: RecordedDecision
    contributions: Contributions
    reasons: Sequence[Reason]


@dataclass(frozen=True)
class ReversedDecision:
    """A decision and the changes that would have reversed it."""

    decision: RecordedDecision
    found: FoundChanges


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
    ) -> None:
        self._form = form
        self._registry = registry
        self._find = find
        self._files = files
        self._explainer = explainer
        self._places = places

    def reasons_for(self, application: Application, probability: float, artifact: Path) -> Sequence[Reason]:
        """Return the principal reasons against an application that the model in `artifact` has just scored.

        Raises ReasonsUnavailableError or SaturatedError.
        """
        return self._principal(self._contributions(ContributionsJob(str(artifact), application, probability)))

    def reasons_of(self, decision_id: str) -> ExplainedDecision:
        """Explain a recorded decision. An approved one has contributions, but no reasons.

        Raises as `AuditService.find` and `ModelFiles.locate` do, and ReasonsUnavailableError or SaturatedError.
        """
        decision = self._decision(decision_id)
        artifact = str(self._artifact(decision.decider))
        contributions = self._contributions(ContributionsJob(artifact, decision.features, decision.probability))
        reasons = [] if decision.prediction == APPROVED else self._principal(contributions)
        return ExplainedDecision(decision, contributions, reasons)

    def what_if(self, decision_id: str) -> ReversedDecision:
        """Find the changes that would have reversed a refusal. Raises as `reasons_of` does."""
        decision = self._decision(decision_id)
        if decision.prediction == APPROVED:
            return ReversedDecision(decision, FoundChanges((), together=False))
        job = WhatIfJob(str(self._artifact(decision.decider)), decision.features, decision.decider.threshold)
        with self._places.taken():
            return ReversedDecision(decision, self._explainer.changes(job))

    def _decision(self, decision_id: str) -> RecordedDecision:
        found = self._find(decision_id)
        if isinstance(found, RecordedBatch):
            raise UnknownDecisionError
        return found.decision

    def _artifact(self, decider: Decider) -> Path:
        if self._registry.is_loaded and (served := self._registry.current).decider == decider:
            return served.artifact
        return self._files.locate(decider)

    def _contributions(self, job: ContributionsJob) -> Contributions:
        with self._places.taken():
            return self._explainer.contributions(job)

    def _principal(self, explained: Contributions) -> list[Reason]:
        return principal_reasons(self._form.groups, explained.contributions)
