"""Everything that pages show about one decision: application, model, policy, explanation, review and history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from loan_api.credit.decision import Verdict
from loan_api.credit.features import CategoryFeature
from loan_api.credit.form import Form
from loan_api.credit.policy import Policy
from loan_api.entrypoints.desk.charts import zones_of
from loan_api.entrypoints.desk.explanations import Explanations
from loan_api.entrypoints.desk.wording import any_value, label_and_help, words
from loan_api.scoring.columns import Application
from loan_api.services.audit import AuditService, FoundDecision, RecordedBatch
from loan_api.services.reasons import ReasonsService
from loan_api.services.reviews import ReviewedReferral, ReviewService

EventKind = Literal["decided", "claim", "approve", "decline", "good", "bad"]


@dataclass(frozen=True)
class Given:
    """A feature's value as it was scored."""

    name: str
    label: str
    value: str
    unit: str


@dataclass(frozen=True)
class HistoryEvent:
    """Something that happened to a decision. `note` is a reviewer's."""

    kind: EventKind
    at: datetime
    by: str | None = None
    reason: str | None = None
    note: str = ""
    override: bool = False
    is_replaced: bool = False


class DecisionViews:
    """Collects what the templates of a decision need."""

    def __init__(
        self,
        form: Form,
        audit: AuditService,
        reasons: ReasonsService,
        explanations: Explanations,
        reviews: ReviewService,
    ) -> None:
        self._form = form
        self._audit = audit
        self._reasons = reasons
        self._explanations = explanations
        self._reviews = reviews

    def of(self, decision_id: str, *, explained: bool) -> Mapping[str, Any] | RecordedBatch:
        """Return the values for a template, or the batch with that id. Raises as `AuditService.find` does.

        Decisions of a version that is not served are explained only if `explained`, because that may take seconds.
        """
        found = self._audit.find(decision_id)
        if isinstance(found, RecordedBatch):
            return found
        decision = found.decision
        policy = self._audit.policy_of(decision)
        reviewed = self._reviews.of(decision)
        is_explained = explained or self._reasons.is_at_hand(decision.decider)
        return {
            "decision": decision,
            "outcomes": found.outcomes,
            "zones": zones_of(policy, decision.decider.threshold),
            "rule_reason": rule_reason(policy, decision.verdict),
            "explanation": self._explanations.of_recorded(decision_id) if is_explained else None,
            "groups": _given_values(self._form, decision.features),
            "reviewed": reviewed,
            "history": _history(found, reviewed),
        }


def rule_reason(policy: Policy | None, verdict: Verdict) -> str | None:
    """Return the text of the rule that decided; None if no rule did, or if the policy is unknown."""
    rule = policy.rules_by_code.get(verdict.rule) if policy and verdict.rule else None
    return rule.reason if rule else None


def _given_values(form: Form, application: Application) -> Mapping[str, Sequence[Given]]:
    """Return the values by group, in the order of the form."""
    groups: dict[str, list[Given]] = {}
    for feature in form.features:
        value = application.get(feature.name)
        unit = "" if isinstance(feature, CategoryFeature) or value is None else feature.unit
        given = Given(feature.name, label_and_help(feature.description)[0], any_value(value), unit)
        groups.setdefault(words(feature.group), []).append(given)
    return groups


def _history(found: FoundDecision, reviewed: ReviewedReferral | None) -> Sequence[HistoryEvent]:
    """Return what happened, in chronological order."""
    events = [HistoryEvent("decided", found.decision.decided_at)]
    for step in reviewed.review.steps if reviewed else ():
        if step.opinion is None:
            events.append(HistoryEvent("claim", step.at, step.by))
        else:
            opinion = step.opinion
            events.append(
                HistoryEvent(opinion.decision, step.at, step.by, opinion.reason, opinion.note, opinion.override)
            )
    last = len(found.outcomes) - 1
    for place, report in enumerate(found.outcomes):
        kind: EventKind = "good" if report.outcome == 1 else "bad"
        events.append(HistoryEvent(kind, report.reported_at, report.reported_by, is_replaced=place < last))
    return sorted(events, key=lambda event: event.at)
