"""Registration of all endpoints, and the OpenAPI document that describes them."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from flask import Flask

from loan_api.credit.form import Form
from loan_api.entrypoints.http.access import Guard
from loan_api.entrypoints.http.decisions import decisions_blueprint
from loan_api.entrypoints.http.explanations import explanations_blueprint
from loan_api.entrypoints.http.health import health_blueprint
from loan_api.entrypoints.http.keys import keys_blueprint
from loan_api.entrypoints.http.metrics import metrics_blueprint
from loan_api.entrypoints.http.model import model_blueprint
from loan_api.entrypoints.http.openapi import bypass_documentation_wrappers, document_api
from loan_api.entrypoints.http.predictions import predictions_blueprint
from loan_api.entrypoints.http.reviews import reviews_blueprint
from loan_api.formats.applications import ApplicationCodec
from loan_api.services.access import Access
from loan_api.services.admission import ByteBudget, LoadShedder
from loan_api.services.audit import AuditService
from loan_api.services.health import HealthService
from loan_api.services.model_registry import ModelRegistry
from loan_api.services.prediction import PredictionService
from loan_api.services.reasons import ReasonsService
from loan_api.services.reviews import ReviewService


@dataclass(frozen=True)
class Collaborators:
    """The services that the views call."""

    predictions: PredictionService
    shedder: LoadShedder
    budget: ByteBudget
    health: HealthService
    registry: ModelRegistry
    audit: AuditService
    reasons: ReasonsService
    reviews: ReviewService
    access: Access
    expose_metrics: Callable[[], tuple[bytes, str]]


@dataclass(frozen=True)
class Limits:
    """Limits on the size of requests."""

    batch_rows: int
    request_bytes: int


def register_endpoints(
    app: Flask, codec: ApplicationCodec, views: Collaborators, limits: Limits, metrics_user: tuple[str, str]
) -> dict[str, Any]:
    """Register all endpoints and return their OpenAPI document. `metrics_user` is the login for /metrics."""
    api = document_api(app, codec.form)
    guard = Guard(views.access)
    for blueprint in (
        predictions_blueprint(
            codec,
            views.predictions,
            views.reasons,
            guard,
            views.shedder,
            views.budget,
            limits.batch_rows,
            limits.request_bytes,
        ),
        decisions_blueprint(codec, views.audit, views.reviews, guard, limits.request_bytes),
        explanations_blueprint(views.reasons, guard),
        reviews_blueprint(views.reviews, guard),
        model_blueprint(codec.form, views.registry),
        health_blueprint(views.health),
        keys_blueprint(views.access, guard),
        metrics_blueprint(views.expose_metrics, *metrics_user),
    ):
        api.register_blueprint(blueprint)
    bypass_documentation_wrappers(app)
    document: dict[str, Any] = api.spec.to_dict()
    return document


def openapi_document(form: Form, limits: Limits) -> dict[str, Any]:
    """Return the OpenAPI document without starting a service: the views are registered but never called."""
    unused: Any = {field.name: None for field in fields(Collaborators)}
    app, codec = Flask("loan_api", static_folder=None), ApplicationCodec(form)
    return register_endpoints(app, codec, Collaborators(**unused), limits, ("", ""))
