"""Performance figures of the dashboards, evaluated by promtool, are correct.

Recorded series, such as drift, are tested with their rules.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from prometheus.grafana.files import DASHBOARDS
from prometheus.grafana.panels import Query

pytestmark = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus"
)

VERSION = 'job="loan_api", instance="a", model_version="1.0.0"'
# Counts by (predicted, actual): outcomes reported in the window, and those expected for all decisions in it.
REPORTED = {
    ("approved", "approved"): 70,
    ("approved", "rejected"): 30,
    ("rejected", "approved"): 10,
    ("rejected", "rejected"): 90,
}
EXPECTED = {
    ("approved", "approved"): 800,
    ("approved", "rejected"): 100,
    ("rejected", "approved"): 150,
    ("rejected", "rejected"): 950,
}
EXPECTED_APPROVALS = {"approved": 90, "rejected": 20}


def queries(panel: str) -> dict[str, str]:
    """Return the panel's expressions by legend, for one version and window."""
    (found,) = [
        each for row in DASHBOARDS["decisions_and_outcomes.json"].rows for each in row.panels if each.title == panel
    ]
    return {query.legend: chosen(query) for query in found.queries}


def chosen(query: Query) -> str:
    choices = {"$job": "loan_api", "$model_version": "1.0.0", "$window": "1h"}
    expression = query.expression
    for variable, value in choices.items():
        expression = expression.replace(variable, value)
    return expression


def grown(series: str, by: float) -> dict[str, Any]:
    """Return a series that rises linearly from 0 to `by` in the window."""
    return {"series": series, "values": f"0+{by / 60}x60"}


def input_series() -> list[dict[str, Any]]:
    series = []
    for metric, counts in (("loan_outcomes_total", REPORTED), ("loan_expected_outcomes_total", EXPECTED)):
        for (predicted, actual), number in counts.items():
            labels = f'{VERSION}, predicted="{predicted}", actual="{actual}"'
            series.append(grown(f"{metric}{{{labels}}}", number))
    for predicted, approvals in EXPECTED_APPROVALS.items():
        labels = f'{VERSION}, predicted="{predicted}", bin="02 [0, 0.1)"'
        series.append(grown(f"loan_outcome_expected_approvals_total{{{labels}}}", approvals))
    series.append(grown(f"loan_outcome_squared_error_total{{{VERSION}}}", 32))
    return series


def evaluated(expression: str, folder: Path, expected: float) -> None:
    """Check that the expression is `expected` after an hour, to within 0.0001."""
    test = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": input_series(),
                "promql_expr_test": [
                    {
                        "expr": f"round({expression}, 0.0001)",
                        "eval_time": "1h",
                        "exp_samples": [{"labels": "{}", "value": round(expected, 4)}],
                    }
                ],
            }
        ],
    }
    (folder / "test.yml").write_text(yaml.safe_dump(test), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("panel", "legend", "expected"),
    [
        ("Accuracy", "realised", 160 / 200),
        ("Accuracy", "expected, same decisions", (90 + 100 - 20) / 200),
        ("Accuracy", "expected, all decisions", 1750 / 2000),
        ("Precision", "realised", 70 / 100),
        ("Precision", "expected, same decisions", 90 / 100),
        ("Precision", "expected, all decisions", 800 / 900),
        ("Recall", "realised", 70 / 80),
        ("Recall", "expected, same decisions", 90 / 110),
        ("Recall", "expected, all decisions", 800 / 950),
        ("Realised below expected accuracy", "gap", 170 / 200 - 160 / 200),
        ("Brier score", "Brier score", 32 / 200),
    ],
)
def test_a_panel_shows_the_right_number(panel: str, legend: str, expected: float, tmp_path: Path) -> None:
    evaluated(queries(panel)[legend], tmp_path, expected)
