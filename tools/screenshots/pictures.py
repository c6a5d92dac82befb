"""Every picture, by the name of its file in docs/images."""

from collections.abc import Callable, Mapping

from playwright.sync_api import Locator, Page

from loan_api.settings import PROJECT_ROOT
from tools.screenshots.pages import mlflow, prometheus, swagger
from tools.screenshots.system import System

FOLDER = PROJECT_ROOT / "docs" / "images"

# Where a part of the page is what is to be seen, it is given back. What has to wait for an alert comes last.
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
