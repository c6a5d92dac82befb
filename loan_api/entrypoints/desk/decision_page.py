"""One decision: the application, the model, the explanation, the history, and a replay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import redirect, render_template, request

from loan_api.credit.decision import Verdict
from loan_api.credit.features import CategoryFeature
from loan_api.credit.form import Form
from loan_api.credit.policy import Policy
from loan_api.entrypoints.desk.blueprint import DeskBlueprint
from loan_api.entrypoints.desk.charts import zones_of
from loan_api.entrypoints.desk.explanations import Explanations
from loan_api.entrypoints.desk.links import link
from loan_api.entrypoints.desk.wording import any_value, label_and_help, words
from loan_api.scoring.columns import Application
from loan_api.services.audit import AuditService, RecordedBatch
from loan_api.services.reasons import ReasonsService, ReplayedDecision


@dataclass(frozen=True)
class Given:
    """A feature's value as it was scored."""

    name: str
    label: str
    value: str
    unit: str


def add_decision(
    blueprint: DeskBlueprint, form: Form, audit: AuditService, reasons: ReasonsService, explanations: Explanations
) -> None:
    """Add the page, which shows a batch as a whole, too."""

    @blueprint.page("/desk/decisions/<decision_id>", "audit")
    def decision(decision_id: str) -> Any:
        return _page(decision_id)

    @blueprint.page("/desk/decisions/<decision_id>/replay", "audit", methods=("POST",))
    def replay(decision_id: str) -> Any:
        return _page(decision_id, reasons.replay(decision_id))

    @blueprint.page("/desk/decisions/<decision_id>/replay", "audit")
    def replayed(decision_id: str) -> Any:
        # The page after a replay has this address, and may be opened again.
        return redirect(link("decision", decision_id), 303)

    def _page(decision_id: str, replayed: ReplayedDecision | None = None) -> str:
        found = audit.find(decision_id)
        if isinstance(found, RecordedBatch):
            return render_template("batch.html", batch=found)
        policy = audit.policy_of(found.decision)
        is_explained = reasons.is_at_hand(found.decision.decider) or "explain" in request.args
        return render_template(
            "decision.html",
            decision=found.decision,
            outcomes=found.outcomes,
            zones=zones_of(policy, found.decision.decider.threshold),
            rule_reason=rule_reason(policy, found.decision.verdict),
            explanation=explanations.of_recorded(decision_id) if is_explained else None,
            replayed=replayed,
            groups=given_values(form, found.decision.features),
        )


def rule_reason(policy: Policy | None, verdict: Verdict) -> str | None:
    """Return the text of the rule that decided; None if none did, or the policy is not known."""
    rule = policy.rules_by_code.get(verdict.rule) if policy and verdict.rule else None
    return rule.reason if rule else None


def given_values(form: Form, application: Application) -> Mapping[str, Sequence[Given]]:
    """Return the values by group, in the order of the form."""
    groups: dict[str, list[Given]] = {}
    for feature in form.features:
        value = application.get(feature.name)
        unit = "" if isinstance(feature, CategoryFeature) or value is None else feature.unit
        given = Given(feature.name, label_and_help(feature.description)[0], any_value(value), unit)
        groups.setdefault(words(feature.group), []).append(given)
    return groups
