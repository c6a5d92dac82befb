"""Real Prometheus and Alertmanager monitor the real service, as started by `make monitor`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from loan_api.settings import PROJECT_ROOT
from prometheus.local.programs import ProgramError, alertmanager_program, prometheus_program
from tests.support.applications import application
from tests.support.forms import SHIPPED
from tests.support.homes import TrainedHome, copy_of
from tests.support.patient_client import PatientClient
from tests.support.service import Service, environment, free_port, started_service
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

TURNS, CONNECTIONS = 4, 4
# Each connection sends this mix twice per round.
ROWS, SINGLES_FOR_EACH_BATCH = 10, 24
BATCHES = TURNS * CONNECTIONS * 5
SINGLES = BATCHES * SINGLES_FOR_EACH_BATCH
_SINGLE = ("/predict", json.dumps(application()))
_BATCH = ("/predict/batch", json.dumps({"instances": [application()] * ROWS}))


@dataclass(frozen=True)
class Monitor:
    """Addresses and credentials of Prometheus and Alertmanager."""

    prometheus: str
    alertmanager: str
    folder: Path
    output: Path

    @property
    def access(self) -> tuple[str, str]:
        return "prometheus", (self.folder / "password").read_text(encoding="utf-8").strip()

    def get(self, path: str, **parameters: str) -> Any:
        answer = requests.get(f"{self.prometheus}{path}", parameters, auth=self.access, timeout=10)
        answer.raise_for_status()
        return answer.json()["data"]

    def value(self, query: str) -> float | None:
        """Return the value of an expression with at most one sample."""
        samples = self.get("/api/v1/query", query=query)["result"]
        assert len(samples) < 2, samples
        return float(samples[0]["value"][1]) if samples else None


@pytest.fixture(scope="module")
def service(trained_home: TrainedHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = copy_of(trained_home, tmp_path_factory.mktemp("monitored") / "home")
    with started_service(home.settings.loan_home) as running:
        yield running


@pytest.fixture(scope="module")
def monitor(service: Service) -> Iterator[Monitor]:
    try:
        for program in (prometheus_program, alertmanager_program):
            assert program(service.home, 1).executable
    except ProgramError as error:
        pytest.skip(str(error))
    ports = {"PROMETHEUS_PORT": free_port(), "ALERTMANAGER_PORT": free_port()}
    environ = {variable: str(port) for variable, port in ports.items()}
    output = service.home / "monitor.log"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "prometheus.local"],
            cwd=PROJECT_ROOT,
            env=environment(service.home, service.port, environ),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    urls = [f"http://127.0.0.1:{port}" for port in ports.values()]
    try:
        wait_until(lambda: b"Ctrl-C stops them" in output.read_bytes() or process.poll() is not None, "both to answer")
        assert process.poll() is None, output.read_text(encoding="utf-8")
        yield Monitor(urls[0], urls[1], service.home / "monitor", output)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        for url in urls:
            with pytest.raises(requests.ConnectionError):
                requests.get(url, timeout=5)
    finally:
        process.kill()
        process.wait()


def send(service: Service) -> int:
    """Send the requests of a round until each has a 200; return how many were refused first."""

    def client(_number: int) -> int:
        with PatientClient(service.port) as connection:
            for path, body in ([_SINGLE] * SINGLES_FOR_EACH_BATCH + [_BATCH]) * 5:
                status, content = connection.post(path, body)
                assert status == 200, content
            return connection.refused

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return sum(pool.map(client, range(CONNECTIONS)))


@pytest.fixture(scope="module")
def refused(service: Service, monitor: Monitor) -> int:
    """Get answers in rounds and return the number of refusals; after each round, kill the older or newer worker.

    Refusals are possible because a busy machine may need long to replace a worker.
    """
    refusals = 0
    for turn in range(TURNS):
        refusals += send(service)
        if turn < TURNS - 1:
            os.kill(max(service.workers) if turn % 2 else min(service.workers), signal.SIGKILL)
    return refusals


def test_neither_prometheus_nor_alertmanager_answers_strangers(monitor: Monitor) -> None:
    for url in (f"{monitor.prometheus}/api/v1/targets", f"{monitor.alertmanager}/api/v2/alerts"):
        for access in (None, ("prometheus", "wrong")):
            assert requests.get(url, auth=access, timeout=10).status_code == 401


def test_metrics_are_for_prometheus_only(service: Service, monitor: Monitor) -> None:
    for access in (None, ("prometheus", "wrong"), monitor.access):
        assert requests.get(service.url("/metrics"), auth=access, timeout=10).status_code == 401
    wait_until(lambda: monitor.value('up{job="loan_api"}') == 1, "the first scrape")


def test_after_kills_prometheus_has_counted_what_was_sent(service: Service, monitor: Monitor, refused: int) -> None:
    assert len({line["process"] for line in service.log_lines if line.get("route") == "/predict"}) > 2
    decisions = SINGLES + BATCHES * ROWS
    wait_until(lambda: monitor.value("sum(loan_predictions_total)") == decisions, "the last scrape", seconds=30)
    counted = {
        'sum(loan_http_requests_total{route="/predict", status="200"})': SINGLES,
        'sum(loan_http_requests_total{route="/predict/batch", status="200"})': BATCHES,
        'sum(loan_http_requests_total{route=~"/predict.*", status="503"})': refused,
        'sum(loan_http_requests_total{route=~"/predict.*"})': SINGLES + BATCHES + refused,
        'sum(loan_http_request_duration_seconds_count{route=~"/predict.*"})': SINGLES + BATCHES + refused,
        'sum(loan_predictions_total{endpoint="single"})': SINGLES,
        "sum(loan_batch_rows_sum)": BATCHES * ROWS,
        "sum(loan_prediction_probability_count)": decisions,
        "sum(loan_score_values_total)": decisions,
        "round(sum(loan_expected_outcomes_total))": decisions,
        'sum(loan_prediction_errors_total{reason="saturated"})': refused,
        "sum(loan_prediction_errors_total)": refused,
        "sum(resets(loan_http_requests_total[10m])) + sum(resets(loan_feature_values_total[10m]))": 0,
        **{f'sum(loan_feature_values_total{{feature="{feature.name}"}})': decisions for feature in SHIPPED.features},
    }
    assert {query: monitor.value(query) for query in counted} == counted


@pytest.mark.usefixtures("refused")
def test_files_do_not_pile_up(service: Service) -> None:
    """Check after many workers were replaced."""
    files = list((service.home / "run" / f"metrics-{service.port}").iterdir())
    slots = {file.stem.rpartition("_")[2] for file in files}
    assert slots == {"0", "1"}
    assert len(files) <= 2 * 8


def test_alerts_reach_alertmanager(monitor: Monitor) -> None:
    def alerts() -> set[str]:
        answer = requests.get(f"{monitor.alertmanager}/api/v2/alerts", auth=monitor.access, timeout=10)
        return {alert["labels"]["alertname"] for alert in answer.json()}

    wait_until(lambda: "Watchdog" in alerts(), "the first evaluation")


def test_every_rule_is_evaluated_without_an_error(monitor: Monitor) -> None:
    groups = monitor.get("/api/v1/rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 100
    assert [rule["name"] for rule in rules if rule["health"] == "err"] == []


def test_it_says_where_to_look(service: Service, monitor: Monitor) -> None:
    said = monitor.output.read_text(encoding="utf-8")
    assert f"watch the service on http://localhost:{service.port}." in said
    assert str(monitor.folder / "password") in said
    assert monitor.access[1] not in said


def second_monitor(home: Path, port: int, **ports: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "prometheus.local"],
        cwd=PROJECT_ROOT,
        env=environment(home, port, ports),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_two_do_not_write_to_one_home(service: Service, monitor: Monitor) -> None:
    before = (monitor.folder / "prometheus.yml").read_text(encoding="utf-8")
    ports = {"PROMETHEUS_PORT": str(free_port()), "ALERTMANAGER_PORT": str(free_port())}
    result = second_monitor(service.home, service.port, **ports)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {monitor.folder} is in use by another `make monitor`")
    assert (monitor.folder / "prometheus.yml").read_text(encoding="utf-8") == before


def test_what_is_in_the_way_is_named(service: Service, tmp_path: Path) -> None:
    taken = {"PROMETHEUS_PORT": str(free_port()), "ALERTMANAGER_PORT": str(service.port)}
    result = second_monitor(tmp_path, service.port, **taken)
    assert result.returncode == 1
    assert result.stderr.startswith(
        f"Error: port {service.port} is in use; set ALERTMANAGER_PORT to choose another port"
    )
    file = tmp_path / "file"
    file.touch()
    result = second_monitor(file, service.port)
    assert result.returncode == 1
    assert result.stderr == f"Error: LOAN_HOME must be a directory; {file} is not a directory\n"
