"""All screenshots by the name of their file in docs/images."""

from collections.abc import Callable, Mapping

from playwright.sync_api import Locator, Page

from loan_api.settings import PROJECT_ROOT
from tools.screenshots.pages import desk, mlflow, prometheus, swagger
from tools.screenshots.system import System

FOLDER = PROJECT_ROOT / "docs" / "images"

# A function returns a locator to capture only that part of the page. Screenshots that wait for an alert come last.
PICTURES: Mapping[str, Callable[[Page, System], Locator | None]] = {
    "mlflow-runs": mlflow.runs,
    "mlflow-charts": mlflow.charts,
    "mlflow-run": mlflow.run,
    "mlflow-plot": mlflow.plot,
    "mlflow-model": mlflow.model,
    "mlflow-version": mlflow.version,
    "swagger-operations": swagger.operations,
    "swagger-predict": swagger.predict,
    "desk-reviews": desk.reviews,
    "desk-reviews-dark": desk.dark(desk.reviews),
    "desk-review": desk.review,
    "desk-review-dark": desk.dark(desk.review),
    "desk-review-phone": desk.on_phone(desk.review),
    "desk-try": desk.attempt,
    "desk-try-dark": desk.dark(desk.attempt),
    "desk-try-phone": desk.on_phone(desk.attempt),
    "desk-decisions": desk.decisions,
    "desk-decisions-dark": desk.dark(desk.decisions),
    "desk-decision": desk.decision,
    "desk-decision-dark": desk.dark(desk.decision),
    "desk-model": desk.model,
    "desk-model-dark": desk.dark(desk.model),
    "forms-try": desk.another_form,
    "prometheus-requests": prometheus.requests,
    "prometheus-latency": prometheus.latency,
    "prometheus-decisions": prometheus.decisions,
    "prometheus-drift": prometheus.drift,
    "prometheus-targets": prometheus.targets,
    "prometheus-alerts": prometheus.alerts,
}
