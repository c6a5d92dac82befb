"""Registration of the desk: all pages and their assets."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Flask
from flask.sansio.app import App
from flask.templating import Environment
from jinja2 import StrictUndefined

from loan_api.entrypoints.desk.assets import assets_blueprint
from loan_api.entrypoints.desk.blueprint import DeskBlueprint
from loan_api.entrypoints.desk.decision_page import add_decision
from loan_api.entrypoints.desk.decision_view import DecisionViews
from loan_api.entrypoints.desk.decisions_page import add_decisions
from loan_api.entrypoints.desk.explanations import Explanations
from loan_api.entrypoints.desk.model_page import add_model
from loan_api.entrypoints.desk.review_page import add_review
from loan_api.entrypoints.desk.reviews_page import add_reviews
from loan_api.entrypoints.desk.sessions import DeskSessions, SignIns
from loan_api.entrypoints.desk.sign_in_page import add_sign_in
from loan_api.entrypoints.desk.try_page import add_try
from loan_api.entrypoints.desk.wording import FILTERS
from loan_api.formats.applications import ApplicationCodec
from loan_api.services.access import Access
from loan_api.services.admission import LoadShedder
from loan_api.services.audit import AuditService
from loan_api.services.drift import DriftService
from loan_api.services.health import HealthService
from loan_api.services.model_registry import ModelRegistry
from loan_api.services.policy import PolicyService
from loan_api.services.prediction import PredictionService
from loan_api.services.reasons import ReasonsService
from loan_api.services.reviews import ReviewService


class _Environment(Environment):
    """Templates with the desk's filters."""

    def __init__(self, app: App, **options: Any) -> None:
        super().__init__(app, **options)
        self.filters.update(FILTERS)


@dataclass(frozen=True)
class DeskServices:
    """The services that the pages call."""

    access: Access
    predictions: PredictionService
    registry: ModelRegistry
    policies: PolicyService
    audit: AuditService
    reasons: ReasonsService
    reviews: ReviewService
    shedder: LoadShedder
    health: HealthService
    drift: DriftService


def register_desk(
    app: Flask, codec: ApplicationCodec, services: DeskServices, secret: str | None, now: Callable[[], datetime]
) -> None:
    """Register all pages. `secret` signs the cookies; without one nobody can sign in."""
    app.secret_key = secret
    app.session_interface = DeskSessions()
    # The environment is only created with the first page.
    app.jinja_environment = _Environment
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    sign_ins = SignIns(services.access, secret, now)
    blueprint = DeskBlueprint(sign_ins, codec.form.title)
    add_sign_in(blueprint, sign_ins)
    explanations = Explanations(codec.form, services.reasons)
    views = DecisionViews(codec.form, services.audit, services.reasons, explanations, services.reviews)
    add_reviews(blueprint, services.reviews)
    add_review(blueprint, codec.form, views, services.reviews)
    add_decisions(blueprint, services.audit)
    add_decision(blueprint, views, services.reasons)
    add_try(
        blueprint,
        codec,
        services.predictions,
        services.registry,
        services.policies,
        explanations,
        services.shedder,
    )
    add_model(blueprint, codec.form, services.registry, services.policies, services.health, services.drift)
    app.register_blueprint(blueprint)
    app.register_blueprint(assets_blueprint())
