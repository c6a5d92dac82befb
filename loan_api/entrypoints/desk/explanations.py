"""Explanations of a decision as templates draw them: contributions as bars, reasons, and reversing changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loan_api.credit.decision import Verdict
from loan_api.credit.form import Form
from loan_api.credit.policy import Policy
from loan_api.credit.reasons import principal_reasons, reason_of_rule
from loan_api.entrypoints.desk.wording import any_value, label_and_help, words
from loan_api.errors import LoanError
from loan_api.scoring.columns import Application
from loan_api.services.explanation import Contributions, FoundChange, FoundChanges
from loan_api.services.reasons import ReasonsService


@dataclass(frozen=True)
class Bar:
    """The contribution of a group; `share` is its size relative to the largest one."""

    label: str
    contribution: float
    share: float


@dataclass(frozen=True)
class ProposedChange:
    """A change of a feature in words, and the probability that results."""

    label: str
    old: str
    new: str
    unit: str
    probability: float


@dataclass(frozen=True)
class Explanation:
    """Why a decision was made and what would reverse it, or the `problem` that prevents an explanation.

    `changes` is None if the application is approved, or if an `obstacle` prevents the search.
    """

    probability: float = 0.0
    baseline: float = 0.0
    standard_error: float | None = None
    bars: Sequence[Bar] = ()
    reasons: Sequence[str] = ()
    changes: Sequence[ProposedChange] | None = None
    together: bool = False
    obstacle: str | None = None
    problem: str | None = None


class Explanations:
    """Explains decisions on applications of a form. Failures are shown on the page; they never prevent it."""

    def __init__(self, form: Form, reasons: ReasonsService) -> None:
        self._form = form
        self._reasons = reasons

    def of_result(
        self,
        application: Application,
        probability: float,
        verdict: Verdict,
        policy: Policy | None,
        threshold: float,
        artifact: Path,
    ) -> Explanation:
        """Explain a decision that the model in `artifact` has just made, with `threshold` unless there is a policy."""

        def explain() -> Explanation:
            found = self._reasons.contributions_for(application, probability, artifact)
            if verdict.decision == "approve":
                return self._explanation(found, ())
            rule = reason_of_rule(policy, verdict) if policy else None
            reasons = [rule] if rule else principal_reasons(self._form.groups, found.contributions)
            changes = self._reasons.changes_for(application, threshold, policy, artifact)
            return self._explanation(found, [reason.text for reason in reasons], changes)

        return _safely(explain)

    def of_recorded(self, decision_id: str) -> Explanation:
        """Explain a recorded decision by the version that made it, which may have to be fetched from the registry."""

        def explain() -> Explanation:
            explained = self._reasons.reasons_of(decision_id)
            texts = [reason.text for reason in explained.reasons]
            if explained.decision.verdict.decision == "approve":
                return self._explanation(explained.contributions, texts)
            try:
                changes = self._reasons.what_if(decision_id).found
            except LoanError as error:
                return replace(self._explanation(explained.contributions, texts), obstacle=str(error))
            return self._explanation(explained.contributions, texts, changes)

        return _safely(explain)

    def _explanation(
        self, found: Contributions, reasons: Sequence[str], changes: FoundChanges | None = None
    ) -> Explanation:
        largest = max(map(abs, found.contributions.values()), default=0.0) or 1.0
        ordered = sorted(found.contributions.items(), key=lambda each: each[1])
        return Explanation(
            probability=found.probability,
            baseline=found.baseline,
            standard_error=found.standard_error,
            bars=[Bar(words(name), value, abs(value) / largest) for name, value in ordered],
            reasons=reasons,
            changes=None if changes is None else [self._change(change) for change in changes.changes],
            together=changes is not None and changes.together,
        )

    def _change(self, change: FoundChange) -> ProposedChange:
        feature = next(feature for feature in self._form.features if feature.name == change.feature)
        return ProposedChange(
            label=label_and_help(feature.description)[0],
            old=any_value(change.old),
            new=any_value(change.new),
            unit=getattr(feature, "unit", ""),
            probability=change.probability,
        )


def _safely(explain: Callable[[], Explanation]) -> Explanation:
    try:
        return explain()
    except LoanError as error:
        return Explanation(problem=str(error))
