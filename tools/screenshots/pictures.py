"""All screenshots by the name of their file in docs/images."""

from collections.abc import Callable, Mapping

from playwright.sync_api import Locator, Page

from loan_api.settings import PROJECT_ROOT
from tools.screenshots.pages import mlflow, prometheus, swagger
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
    "prometheus-requests": prometheus.requests,
    "prometheus-latency": prometheus.latency,
    "prometheus-decisions": prometheus.decisions,
    "prometheus-drift": prometheus.drift,
    "prometheus-targets": prometheus.targets,
    "prometheus-alerts": prometheus.alerts,
}
