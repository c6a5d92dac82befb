"""Grafana's dashboards are current, describe their panels, and query existing series."""

import json
import re
import shutil
import subprocess
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from loan_api.adapters.metrics.instruments import HTTP_REQUEST_DURATION, METRICS
from loan_api.settings import PROJECT_ROOT
from prometheus.grafana import model_and_drift, service
from prometheus.grafana.files import DASHBOARDS, FOLDER, content
from prometheus.grafana.panels import WHOLE_WIDTH

Json = dict[str, Any]

# Series that Prometheus itself creates for scrapes and alerts, with their labels besides the target's.
OF_PROMETHEUS = {
    "up": set[str](),
    "scrape_duration_seconds": set[str](),
    "scrape_samples_scraped": set[str](),
    "ALERTS": {"alertname", "alertstate", "severity"},
}
OF_TARGETS = {"job", "instance"}
# Sample values of Grafana's duration variables.
DURATIONS = {"$__rate_interval": "1m", "$window": "1d"}

RULES = PROJECT_ROOT / "prometheus" / "rules"

files = pytest.mark.parametrize("name", DASHBOARDS)


def dashboard(name: str) -> Json:
    loaded: Json = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return loaded


def panels(name: str) -> list[Json]:
    return [panel for panel in dashboard(name)["panels"] if panel["type"] != "row"]


def queries(name: str) -> list[str]:
    return [target["expr"] for panel in panels(name) for target in panel["targets"]]


def expressions(name: str) -> list[str]:
    """Return the expressions of panels and annotations."""
    return [*queries(name), *(each["expr"] for each in dashboard(name)["annotations"]["list"])]


def variable_queries(name: str) -> list[str]:
    variables = [each for each in dashboard(name)["templating"]["list"] if each["type"] == "query"]
    assert all(variable["datasource"]["uid"] == "${datasource}" for variable in variables)
    return [variable["query"]["query"] for variable in variables]


def as_prometheus_reads(expression: str) -> str:
    for name, duration in DURATIONS.items():
        expression = expression.replace(name, duration)
    return expression


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """Return each metric in the expression with the labels of its selector."""
    found = []
    for name, inside in re.findall(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}", expression):
        found.append((name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', inside)))))
    return found


def metrics(expression: str) -> set[str]:
    """Return the metrics in the expression: all words except functions, keywords, labels and strings."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|offset \w+", " ", bare)
    bare = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    words = re.findall(r"(?<![\w.:])([a-zA-Z_:][\w:]*)(?!\s*\(|[\w:])", bare)
    return set(words) - {"or", "and", "unless", "bool", "sum", "max", "count"}


def existing() -> dict[str, set[str] | None]:
    """Return every existing series with its labels, or None if they are unknown."""
    series: dict[str, set[str] | None] = {}
    for metric in METRICS:
        if metric.kind == "histogram":
            series |= {f"{metric.name}_{end}": {*metric.labels} for end in ("sum", "count")}
            series[f"{metric.name}_bucket"] = {*metric.labels, "le"}
        else:
            series[metric.name] = {*metric.labels}
    for path in RULES.glob("*.yml"):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            series |= {rule["record"]: None for rule in group["rules"] if "record" in rule}
    return series | OF_PROMETHEUS


def test_every_file_is_of_a_dashboard() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(DASHBOARDS)


@files
def test_a_file_is_current(name: str) -> None:
    """Check the file; `python -m prometheus.grafana` updates it."""
    assert (FOLDER / name).read_text(encoding="utf-8") == content(DASHBOARDS[name])


@files
def test_every_panel_says_what_it_shows(name: str) -> None:
    for panel in panels(name):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


@files
def test_every_panel_asks_the_chosen_prometheus(name: str) -> None:
    for panel in panels(name):
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@files
def test_every_variable_that_is_used_is_offered_and_the_reverse(name: str) -> None:
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard(name)))) - {"__rate_interval", "__all"}
    assert used == {variable["name"] for variable in dashboard(name)["templating"]["list"]}


def test_addresses_and_titles_are_given_once() -> None:
    for key in ("uid", "title"):
        assert len({dashboard(name)[key] for name in DASHBOARDS}) == len(DASHBOARDS)
    for name in DASHBOARDS:
        identifiers = Counter(panel["id"] for panel in dashboard(name)["panels"])
        assert set(identifiers.values()) == {1}


@files
def test_nothing_overlaps_or_is_cut_off(name: str) -> None:
    places = [panel["gridPos"] for panel in dashboard(name)["panels"]]
    assert all(place["x"] + place["w"] <= WHOLE_WIDTH for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


@files
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus")
def test_every_expression_is_valid(name: str, tmp_path: Path) -> None:
    asked = enumerate(expressions(name))
    rules = [{"record": f"dashboard:query:{at}", "expr": as_prometheus_reads(each)} for at, each in asked]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": name, "rules": rules}]}), encoding="utf-8")
    checked = subprocess.run(
        ["promtool", "check", "rules", "rules.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@files
def test_every_series_that_is_asked_for_exists(name: str) -> None:
    series = existing()
    for expression in map(as_prometheus_reads, expressions(name)):
        assert metrics(expression) <= set(series), expression
    for query in variable_queries(name):
        wanted, label = re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", query).groups()
        assert label in (series[wanted] or set()) | OF_TARGETS


@files
def test_every_label_that_is_selected_by_exists(name: str) -> None:
    series = existing()
    for expression in map(as_prometheus_reads, (*expressions(name), *variable_queries(name))):
        for metric, labels in selectors(expression):
            known = series[metric]
            assert known is None or labels <= known | OF_TARGETS, (metric, labels)


@files
def test_every_query_is_of_the_chosen_job(name: str) -> None:
    for expression in expressions(name):
        for metric, labels in selectors(expression):
            assert "job" in labels, (metric, expression)


def expressions_of(key: str, name: str) -> list[str]:
    """Return the expressions of rules that record or alert under that name."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in RULES.glob("*.yml")]
    return [
        rule["expr"] for file in files for group in file["groups"] for rule in group["rules"] if rule.get(key) == name
    ]


def test_dashboards_and_alerts_draw_the_same_lines() -> None:
    for alert in ("LoanModelFeatureDrift", "LoanModelScoreDrift"):
        for expression in expressions_of("alert", alert):
            assert f"> {model_and_drift.MUCH_DRIFT}" in expression
            assert f">= {model_and_drift.ENOUGH_DECISIONS}" in expression
    (slow,) = expressions_of("record", "job:loan_predict_slow:rate1h")
    assert f'le="{service.FAST_SECONDS}"' in slow
    assert service.FAST_SECONDS in HTTP_REQUEST_DURATION.buckets
    for alert, promised in (
        ("LoanApiAvailabilityBurnRate", service.AVAILABILITY),
        ("LoanApiLatencyBurnRate", service.FAST_ENOUGH),
    ):
        for expression in expressions_of("alert", alert):
            assert f"* {1 - promised:.4g})" in expression


def test_metrics_are_distinguished_from_the_rest_of_an_expression() -> None:
    expression = (
        'sum by (le) (rate(a_bucket{job="x"}[5m])) / on (b) group_left (c) (job:d:rate5m > bool 0) or abs(-e offset 1h)'
    )
    assert metrics(expression) == {"a_bucket", "job:d:rate5m", "e"}
    assert selectors('a{b="c=d", e!~"f|g"} + h') == [("a", {"b", "e"})]
