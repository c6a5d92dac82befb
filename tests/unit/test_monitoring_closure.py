"""Rules, alerts, rule tests, runbooks and documents refer to each other completely and correctly."""

import re
from itertools import chain
from typing import Any

import pytest
import yaml

from loan_api.adapters.metrics.instruments import METRICS
from loan_api.settings import PROJECT_ROOT

RULES = PROJECT_ROOT / "prometheus" / "rules"
RULE_TESTS = PROJECT_ROOT / "prometheus" / "tests"
RUNBOOKS = PROJECT_ROOT / "docs" / "runbooks"
DOCUMENT = PROJECT_ROOT / "docs" / "monitoring.md"

SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Why this threshold"]
SEVERITIES = {"page", "ticket", "none"}
# Levels, metric and operations, as in job_route:loan_http_requests:rate5m.
RECORDED_NAME = re.compile(r"\b[a-z_]+:loan_[a-z_]+:[a-z_0-9]+")
METRIC_NAME = re.compile(r"(?<![\w:])loan_[a-z_]+(?![\w:])")
# <w> stands for several windows that share a line of the document.
WINDOW = re.compile(r"(?<=[a-z])(?:\d+[mhd]|<w>)$")

Rule = dict[str, Any]


def rules() -> list[Rule]:
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(RULES.glob("*.yml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[Rule]:
    return [rule for rule in rules() if "alert" in rule]


def alert_names() -> set[str]:
    return {rule["alert"] for rule in alerts()}


def recorded_names() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def asked_alerts() -> list[Rule]:
    """Return the rule tests' alert checks: name, time and expected alerts."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(RULE_TESTS.glob("*.yml"))]
    return list(chain.from_iterable(test.get("alert_rule_test", []) for file in files for test in file["tests"]))


def without_texts(expression: str) -> str:
    """Return the expression without string literals, which name no series."""
    return re.sub(r'"[^"]*"', '""', expression)


def base_name(metric: str) -> str:
    """Return the histogram's name for one of its series."""
    return re.sub(r"_(?:bucket|sum|count)$", "", metric)


def document() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


def documented_alerts() -> dict[str, set[str]]:
    """Return the severities of each alert in the document's table."""
    rows = re.findall(r"^\| \[`(\w+)`\]\(runbooks/(\w+)\.md\) \| ([a-z, ]+) \|", document(), flags=re.MULTILINE)
    assert all(name == linked for name, linked, _ in rows)
    return {name: set(severities.split(", ")) for name, _, severities in rows}


def any_window(recorded: str) -> str:
    return WINDOW.sub("<w>", recorded)


def queries_of(runbook: str) -> str:
    """Return the PromQL queries in the runbook."""
    return "\n".join(re.findall(r"```promql\n(.*?)```", runbook, flags=re.DOTALL))


def test_every_alert_has_a_runbook_and_the_reverse() -> None:
    assert {path.name for path in RUNBOOKS.iterdir()} == {f"{name}.md" for name in alert_names()}


def test_every_alert_has_a_test_and_the_reverse() -> None:
    assert {test["alertname"] for test in asked_alerts()} == alert_names()


def test_every_alert_is_seen_firing_and_silent() -> None:
    """Check every alert except the watchdog, which always fires."""
    firing = {test["alertname"] for test in asked_alerts() if test["exp_alerts"]}
    silent = {test["alertname"] for test in asked_alerts() if not test["exp_alerts"]}
    assert firing == alert_names()
    assert silent == alert_names() - {"Watchdog"}


def test_every_form_of_an_alert_is_seen_firing() -> None:
    """Require a test for each window and severity of an alert."""
    declared = {(rule["alert"], rule["labels"]["severity"], rule["labels"].get("window")) for rule in alerts()}
    seen = {
        (test["alertname"], alert["exp_labels"]["severity"], alert["exp_labels"].get("window"))
        for test in asked_alerts()
        for alert in test["exp_alerts"]
    }
    assert seen == declared


def test_every_alert_is_documented_with_its_severities_and_the_reverse() -> None:
    declared: dict[str, set[str]] = {}
    for rule in alerts():
        declared.setdefault(rule["alert"], set()).add(rule["labels"]["severity"])
    assert documented_alerts() == declared


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: "-".join((rule["alert"], rule["labels"].get("window", ""))))
def test_every_alert_says_what_to_do(rule: Rule) -> None:
    """Also check that it waits for at least two scrapes."""
    assert rule["labels"]["severity"] in SEVERITIES
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"
    if rule["alert"] != "Watchdog":
        assert re.fullmatch(r"\d+m", rule["for"])


@pytest.mark.parametrize("name", sorted(alert_names()))
def test_every_runbook_has_the_same_sections(name: str) -> None:
    runbook = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert runbook.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", runbook, flags=re.MULTILINE) == SECTIONS


@pytest.mark.parametrize("name", sorted(alert_names()))
def test_every_runbook_names_only_what_there_is(name: str) -> None:
    """Check the names of metrics, recorded series and other runbooks."""
    runbook = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    declared = {metric.name for metric in METRICS}
    assert set(RECORDED_NAME.findall(runbook)) <= recorded_names()
    assert {base_name(metric) for metric in METRIC_NAME.findall(without_texts(queries_of(runbook)))} <= declared
    assert set(re.findall(r"\((\w+)\.md\)", runbook)) <= alert_names()


def test_rules_use_only_declared_metrics() -> None:
    used = {base_name(metric) for rule in rules() for metric in METRIC_NAME.findall(without_texts(rule["expr"]))}
    assert used <= {metric.name for metric in METRICS}


def test_rules_use_only_recorded_series() -> None:
    used = {name for rule in rules() for name in RECORDED_NAME.findall(without_texts(rule["expr"]))}
    assert used <= recorded_names()


def test_every_recorded_series_is_documented_and_the_reverse() -> None:
    """Compare the names without their windows."""
    documented = re.findall(r"`([a-z_]+:loan_[a-z_]+:[a-z_0-9]+(?:<w>)?)`", document())
    assert {any_window(name) for name in documented} == {any_window(name) for name in recorded_names()}


def test_drift_is_the_same_over_each_window() -> None:
    """Check that the files differ only in the window and the evaluation interval."""
    hour, day = ((RULES / f"drift_{window}.yml").read_text(encoding="utf-8") for window in ("1h", "1d"))
    assert "interval: 1m" in hour
    assert hour.replace("1h", "1d").replace("interval: 1m", "interval: 2m") == day


def test_no_series_is_recorded_twice() -> None:
    recorded = [(rule["record"], tuple(sorted(rule.get("labels", {}).items()))) for rule in rules() if "record" in rule]
    assert len(recorded) == len(set(recorded))
