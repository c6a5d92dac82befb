"""Model: the served version, its quality, and whether applications still resemble its training data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import render_template
from markupsafe import Markup

from loan_api.credit.form import Form
from loan_api.credit.reliability import Reliability
from loan_api.entrypoints.desk.blueprint import DeskBlueprint
from loan_api.entrypoints.desk.charts import zones_of
from loan_api.entrypoints.desk.model_card import as_html
from loan_api.entrypoints.desk.wording import label_and_help, words
from loan_api.scoring.package import ReferencePackage
from loan_api.services.drift import DriftService
from loan_api.services.health import HealthService
from loan_api.services.model_registry import ModelRegistry
from loan_api.services.policy import PolicyService

_CROSS_VALIDATED = "cv_"
_LABELS: Mapping[str, str] = {
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "ks": "KS",
    "mcc": "MCC",
    "brier": "Brier score",
}


@dataclass(frozen=True)
class Metric:
    """A metric on the holdout, and its mean and standard deviation in cross-validation, if known."""

    label: str
    holdout: float
    mean: float | None
    deviation: float | None


def add_model(
    blueprint: DeskBlueprint,
    form: Form,
    registry: ModelRegistry,
    policies: PolicyService,
    health: HealthService,
    drift: DriftService,
) -> None:
    """Add the page."""
    labels = {feature.name: label_and_help(feature.description)[0] for feature in form.features}

    @blueprint.page("/desk/model", "audit", tab="Model")
    def model() -> Any:
        served = registry.current
        policy = policies.announce()
        report = drift.report()
        card, reliability = _documents(served.artifact)
        return render_template(
            "model.html",
            served=served,
            version=served.version,
            facts=served.version.facts,
            metrics=_metrics(served.version.facts.metrics),
            card=card,
            reliability=reliability,
            policy=policy,
            zones=zones_of(policy, served.version.facts.threshold),
            health=health.report(),
            drift=report,
            drifts=[report.score, *sorted(report.features, key=lambda each: -each.psi)] if report else [],
            labels=labels,
            history=list(reversed(registry.history)),
        )


def _metrics(values: Mapping[str, float]) -> Sequence[Metric]:
    return [
        Metric(
            _LABELS.get(name, words(name)),
            value,
            values.get(f"{_CROSS_VALIDATED}{name}_mean"),
            values.get(f"{_CROSS_VALIDATED}{name}_std"),
        )
        for name, value in sorted(values.items())
        if not name.startswith(_CROSS_VALIDATED)
    ]


def _documents(artifact: Path) -> tuple[Markup | None, Reliability | None]:
    """Return the model card and the reliability diagram; None for each that the artifact lacks."""
    try:
        package = ReferencePackage.read(artifact)
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
    return as_html(package.model_card), package.reliability
