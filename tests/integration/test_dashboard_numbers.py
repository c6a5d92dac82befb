"""The dashboards' longer expressions, evaluated by promtool, give the numbers that they are said to be."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from scipy import stats

from loan_api.credit.drift import population_stability_index
from prometheus.grafana.files import DASHBOARDS
from prometheus.grafana.panels import Query

pytestmark = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus"
)

VERSION = 'job="loan_api", instance="a", model_version="1.0.0"'
BINS = ("00 missing", "01 below", "02 [0, 1)", "03 [1, 2]", "04 above")
SHARES = (0.0, 0.0, 0.25, 0.75, 0.0)
SERVED = (10, 0, 400, 500, 90)
TRAINED_ON = 3000
# predicted, actual: told in the window, and as promised for all decisions in it
TOLD = {
    ("approved", "approved"): 70,
    ("approved", "rejected"): 30,
    ("rejected", "approved"): 10,
    ("rejected", "rejected"): 90,
}
PROMISED = {
    ("approved", "approved"): 800,
    ("approved", "rejected"): 100,
    ("rejected", "approved"): 150,
    ("rejected", "rejected"): 950,
}
EXPECTED_APPROVALS = {"approved": 90, "rejected": 20}


def queries(file: str, panel: str) -> dict[str, str]:
    """The panel's expressions by their legends, with a version, a feature and a window chosen."""
    (found,) = [each for row in DASHBOARDS[file].rows for each in row.panels if each.title == panel]
    return {query.legend: chosen(query) for query in found.queries}


def chosen(query: Query) -> str:
    choices = {"$job": "loan_api", "$model_version": "1.0.0", "$feature": "loan_term", "$window": "1h"}
    expression = query.expression
    for variable, value in choices.items():
        expression = expression.replace(variable, value)
    return expression


def grown(series: str, by: float) -> dict[str, Any]:
    """From 0 to `by` in the window, evenly."""
    return {"series": series, "values": f"0+{by / 60}x60"}


def constant(series: str, value: float) -> dict[str, Any]:
    return {"series": series, "values": f"{value}x60"}


def input_series() -> list[dict[str, Any]]:
    feature = f'{VERSION}, feature="loan_term"'
    series = [constant(f"loan_reference_applications{{{VERSION}}}", TRAINED_ON)]
    for name, served, share in zip(BINS, SERVED, SHARES, strict=True):
        series.append(grown(f'loan_feature_values_total{{{feature}, bin="{name}"}}', served))
        series.append(constant(f'loan_feature_reference_ratio{{{feature}, bin="{name}"}}', share))
        series.append(grown(f'loan_score_values_total{{{VERSION}, bin="{name}"}}', served))
        series.append(constant(f'loan_score_reference_ratio{{{VERSION}, bin="{name}"}}', share))
    for metric, counts in (("loan_outcomes_total", TOLD), ("loan_expected_outcomes_total", PROMISED)):
        for (predicted, actual), number in counts.items():
            labels = f'{VERSION}, predicted="{predicted}", actual="{actual}"'
            series.append(grown(f"{metric}{{{labels}}}", number))
    for predicted, approvals in EXPECTED_APPROVALS.items():
        labels = f'{VERSION}, predicted="{predicted}", bin="02 [0, 0.1)"'
        series.append(grown(f"loan_outcome_expected_approvals_total{{{labels}}}", approvals))
    series.append(grown(f"loan_outcome_squared_error_total{{{VERSION}}}", 32))
    return series


def evaluated(expression: str, folder: Path, expected: float, labels: str) -> None:
    """Fails unless the expression is `expected`, after an hour and to a ten-thousandth."""
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
                        "exp_samples": [{"labels": labels, "value": round(expected, 4)}],
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


FEATURE = '{feature="loan_term"}'
PSI = population_stability_index(SHARES, SERVED)
NOISE = float(stats.chi2.ppf(0.99, df=1)) * (1 / sum(SERVED) + 1 / TRAINED_ON)


@pytest.mark.parametrize(
    ("file", "panel", "legend", "expected", "labels"),
    [
        ("model_and_drift.json", "PSI in the window", "{{feature}}", PSI, FEATURE),
        ("model_and_drift.json", "Approval probability: PSI", "PSI", PSI, "{}"),
        # Up to and with `missing` 0.01 against 0, `[0, 1)` 0.41 against 0.25.
        ("model_and_drift.json", "Kolmogorov-Smirnov distance", "{{feature}}", 0.16, FEATURE),
        ("model_and_drift.json", "Out of range or unseen", "{{feature}}", 0.09, FEATURE),
        ("model_and_drift.json", "Missing", "{{feature}}", 0.01, FEATURE),
        ("decisions_and_outcomes.json", "Accuracy", "realised", 160 / 200, "{}"),
        ("decisions_and_outcomes.json", "Accuracy", "expected of the same decisions", (90 + 100 - 20) / 200, "{}"),
        ("decisions_and_outcomes.json", "Accuracy", "expected of all decisions", 1750 / 2000, "{}"),
        ("decisions_and_outcomes.json", "Precision", "realised", 70 / 100, "{}"),
        ("decisions_and_outcomes.json", "Precision", "expected of the same decisions", 90 / 100, "{}"),
        ("decisions_and_outcomes.json", "Precision", "expected of all decisions", 800 / 900, "{}"),
        ("decisions_and_outcomes.json", "Recall", "realised", 70 / 80, "{}"),
        ("decisions_and_outcomes.json", "Recall", "expected of the same decisions", 90 / 110, "{}"),
        ("decisions_and_outcomes.json", "Recall", "expected of all decisions", 800 / 950, "{}"),
        ("decisions_and_outcomes.json", "Realised below expected accuracy", "gap", 170 / 200 - 160 / 200, "{}"),
        ("decisions_and_outcomes.json", "Brier score", "Brier score", 32 / 200, "{}"),
    ],
)
def test_a_panel_shows_what_it_says(
    file: str, panel: str, legend: str, expected: float, labels: str, tmp_path: Path
) -> None:
    evaluated(queries(file, panel)[legend], tmp_path, expected, labels)


def test_the_noise_level_is_that_of_chance(tmp_path: Path) -> None:
    """By Wilson and Hilferty, which is exact to some percent."""
    noise = queries("model_and_drift.json", "Noise level")["{{feature}}"]
    evaluated(f"abs({noise} / {NOISE} - 1) < bool 0.05", tmp_path, 1, FEATURE)
