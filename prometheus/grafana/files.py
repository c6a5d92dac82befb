"""All dashboards and their files."""

import json
from pathlib import Path

from prometheus.grafana import decisions_and_outcomes, model_and_drift, operations, service
from prometheus.grafana.panels import Dashboard, dashboard_json

FOLDER = Path(__file__).parent / "dashboards"
DASHBOARDS: dict[str, Dashboard] = {
    "service.json": service.DASHBOARD,
    "model_and_drift.json": model_and_drift.DASHBOARD,
    "decisions_and_outcomes.json": decisions_and_outcomes.DASHBOARD,
    "operations.json": operations.DASHBOARD,
}


def content(dashboard: Dashboard) -> str:
    """Return the content of the dashboard's file."""
    return json.dumps(dashboard_json(dashboard), indent=2, ensure_ascii=False) + "\n"


def write_all() -> None:
    """Write the files of all dashboards."""
    for name, dashboard in DASHBOARDS.items():
        (FOLDER / name).write_text(content(dashboard), encoding="utf-8")
