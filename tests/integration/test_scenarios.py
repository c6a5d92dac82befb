"""Traffic from `simulate` fires the right alerts: the service counts it, and promtool simulates the time.

Response times are excluded, as they depend on the machine.
"""

import base64
import json
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest
import yaml
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from loan_api.entrypoints.simulation.applicants import Applicants
from loan_api.entrypoints.simulation.scenarios import SCENARIOS
from loan_api.settings import PROJECT_ROOT
from tests.support.following import source_of
from tests.support.forms import SHIPPED
from tests.support.homes import TrainedHome
from tests.support.services import client_of

pytestmark = [
    pytest.mark.torture,
    pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus"),
]

RULES = sorted((PROJECT_ROOT / "prometheus" / "rules").glob("*.yml"))
MINUTES = 60
REQUESTS_A_MINUTE = 24
# The value of each series at every scrape.
Scrapes = dict[str, list[float]]


def scraped(home: TrainedHome, scenario: str) -> Scrapes:
    """Simulate an hour of traffic with a scrape per minute, the first one before any traffic."""
    client = client_of(home.settings, models=source_of(home))
    assert home.settings.dataset_path is not None
    random = Random(7)
    applicants = Applicants.read(SHIPPED, home.settings.dataset_path, random)
    scrapes: Scrapes = defaultdict(list)
    for minute in range(MINUTES + 1):
        for series, value in scrape(client, home.settings.metrics_password_file):
            scrapes[series] += [0.0] * (minute - len(scrapes[series])) + [value]
        for _ in range(REQUESTS_A_MINUTE):
            call = SCENARIOS[scenario].next_call(applicants, random)
            client.post(call.path, data=call.body, content_type="application/json")
    return scrapes


def scrape(client: FlaskClient, password_file: Path) -> Iterable[tuple[str, float]]:
    access = base64.b64encode(f"prometheus:{password_file.read_text(encoding='utf-8').strip()}".encode()).decode()
    text = client.get("/metrics", headers={"Authorization": f"Basic {access}"}).text
    chosen = (line for line in text.splitlines() if "loan_" in line and "duration_seconds" not in line)
    for family in text_string_to_metric_families("\n".join(chosen)):
        for sample in family.samples:
            labels = {"job": "loan_api", "instance": "a", **sample.labels}
            described = ", ".join(f'{name}="{value}"' for name, value in labels.items())
            yield f"{sample.name}{{{described}}}", sample.value


def fails_unless(query: str, expected: list[str], scrapes: Scrapes, folder: Path) -> None:
    """Check that after the hour the query has a sample of value 1 for each expected label set."""
    groups = [group["name"] for file in RULES for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    series = [
        {"series": name, "values": " ".join(map(repr, values))}
        for name, values in {'up{job="loan_api", instance="a"}': [1.0] * (MINUTES + 1), **scrapes}.items()
    ]
    samples = [{"labels": labels, "value": 1} for labels in expected]
    test = {
        "rule_files": [str(file) for file in RULES],
        # Evaluate recording rules before the alerts that use them.
        "group_eval_order": sorted(groups, key=lambda name: name.endswith("_alerts")),
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": series,
                "promql_expr_test": [{"expr": query, "eval_time": f"{MINUTES}m", "exp_samples": samples}],
            }
        ],
    }
    file = folder / "scenario.yml"
    # JSON is YAML, and written in a fraction of the time.
    file.write_text(json.dumps(test), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("scenario", "alerts"),
    [
        ("steady", []),
        (
            "drift",
            [
                *("LoanModelApprovalRateShift", "LoanModelFeatureDrift", "LoanModelInputOutOfRange"),
                "LoanModelScoreDrift",
            ],
        ),
        pytest.param("errors", ["LoanApiInputRefused"], marks=pytest.mark.torture),
    ],
)
def test_what_fires_after_an_hour(scenario: str, alerts: list[str], trained_home: TrainedHome, tmp_path: Path) -> None:
    scrapes = scraped(trained_home, scenario)
    firing = 'ALERTS{alertstate="firing", alertname!="Watchdog"}'
    fails_unless(
        f"group by (alertname) ({firing})", [f'{{alertname="{alert}"}}' for alert in alerts], scrapes, tmp_path
    )
    if scenario == "drift":
        features = sorted(number.name for number in SHIPPED.numbers)
        fails_unless(
            f"group by (feature) ({firing.replace('!=', '=').replace('Watchdog', 'LoanModelFeatureDrift')})",
            [f'{{feature="{feature}"}}' for feature in features],
            scrapes,
            tmp_path,
        )
