"""Try: decide an application that the visitor enters, as a simulation or recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import g, render_template, request

from loan_api.credit.decision import Verdict
from loan_api.entrypoints.desk.application_form import (
    application_of,
    entered_values,
    errors_by_field,
    example_values,
    groups_of,
)
from loan_api.entrypoints.desk.blueprint import DeskBlueprint
from loan_api.entrypoints.desk.charts import Zone, zones_of
from loan_api.entrypoints.desk.decision_view import rule_reason
from loan_api.entrypoints.desk.explanations import Explanation, Explanations
from loan_api.entrypoints.desk.wording import label_and_help
from loan_api.errors import NoModelError
from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.refusals import RequestRefusedError
from loan_api.scoring.columns import Application
from loan_api.services.admission import LoadShedder
from loan_api.services.model_registry import ModelRegistry
from loan_api.services.policy import PolicyService
from loan_api.services.prediction import PredictionService

_RECORD = "record"


@dataclass(frozen=True)
class Result:
    """A decision as the page shows it; `decision_id` is None for a simulation, `reason` unless a rule decided."""

    verdict: Verdict
    reason: str | None
    probability: float
    zones: Sequence[Zone]
    model_version: str
    policy_version: str | None
    outside: Sequence[str]
    explanation: Explanation
    decision_id: str | None = None


def add_try(
    blueprint: DeskBlueprint,
    codec: ApplicationCodec,
    predictions: PredictionService,
    registry: ModelRegistry,
    policies: PolicyService,
    explanations: Explanations,
    shedder: LoadShedder,
) -> None:
    """Add the page."""
    form = codec.form

    @blueprint.page("/desk/try", "score", tab="Try")
    def try_application() -> Any:
        is_blank = "blank" in request.args
        return _page(dict.fromkeys(form.names, "") if is_blank else example_values(form), {})

    @blueprint.page("/desk/try", "score", methods=("POST",))
    def decide() -> Any:
        entered = entered_values(form, request.form)
        try:
            application = codec.explained(application_of(form, entered))
        except RequestRefusedError as error:
            return _page(entered, errors_by_field(error.refusals)), HTTPStatus.UNPROCESSABLE_ENTITY
        shedder.check()
        is_recorded = request.form.get("mode") == _RECORD
        return _page(entered, {}, _recorded(application) if is_recorded else _simulated(application))

    def _simulated(application: Application) -> Result:
        simulated = predictions.simulate(application)
        policy, decider = simulated.policy, simulated.model.decider
        return Result(
            verdict=simulated.verdict,
            reason=rule_reason(policy, simulated.verdict),
            probability=simulated.probability,
            zones=zones_of(policy, decider.threshold),
            model_version=decider.semantic_version,
            policy_version=policy.version if policy else None,
            outside=_labels(simulated.outside_training_range),
            explanation=explanations.of_result(
                application,
                simulated.probability,
                simulated.verdict,
                policy,
                decider.threshold,
                simulated.model.artifact,
            ),
        )

    def _recorded(application: Application) -> Result:
        policy, model = policies.announce(), registry.current
        decided = predictions.decide(application, g.request_id)
        g.logged = {"decision_id": decided.decision_id, "model_version": decided.model_version}
        return Result(
            verdict=decided.verdict,
            reason=rule_reason(policy, decided.verdict),
            probability=decided.probability,
            zones=zones_of(policy, model.decider.threshold),
            model_version=decided.model_version,
            policy_version=decided.policy_version,
            outside=_labels(decided.outside_training_range),
            explanation=explanations.of_result(
                application,
                decided.probability,
                decided.verdict,
                policy,
                model.decider.threshold,
                model.artifact,
            ),
            decision_id=decided.decision_id,
        )

    def _labels(names: Sequence[str]) -> list[str]:
        return [label_and_help(feature.description)[0] for feature in form.features if feature.name in names]

    def _page(values: Mapping[str, str], errors: Mapping[str, str], result: Result | None = None) -> str:
        groups = groups_of(form, values, errors)
        fields = [field for group in groups for field in group.fields]
        try:
            served = registry.current.decider
        except NoModelError:
            served = None
        return render_template(
            "try.html",
            groups=groups,
            wrong=[field for field in fields if field.error],
            result=result,
            served=served,
            policy=policies.announce(),
        )
