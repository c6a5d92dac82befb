"""The service as users see it: over HTTP, with real workers that are killed and replaced."""

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.support.applications import ASSESSMENT_BATCH, ASSESSMENT_SINGLE, application
from tests.support.homes import TrainedHome
from tests.support.patient_client import PatientClient
from tests.support.service import WORKERS, Service, started_service
from tests.support.waiting import wait_until

SINGLE_FIELDS = [
    *("prediction", "probability", "model_version", "timestamp", "decision_id"),
    *("outside_training_range", "decision", "rule", "policy_version"),
]
BATCH_ROW_FIELDS = ["prediction", "probability", "row_id", "decision", "rule"]


def test_the_assessment_s_requests_get_the_documented_shapes(service: Service) -> None:
    single = requests.post(service.url("/predict"), json=ASSESSMENT_SINGLE, timeout=10)
    assert single.status_code == 200
    assert list(single.json()) == SINGLE_FIELDS
    batch = requests.post(service.url("/predict/batch"), json=ASSESSMENT_BATCH, timeout=10)
    assert batch.status_code == 200
    assert [list(row) for row in batch.json()["predictions"]] == [BATCH_ROW_FIELDS] * 2
    assert batch.json()["batch_size"] == 2


def test_it_is_healthy_and_its_pages_are_there(service: Service) -> None:
    # Health may be degraded briefly while two workers open a new database on a slow disk.
    wait_until(lambda: requests.get(service.url("/health"), timeout=10).json()["status"] == "healthy", "health")
    for path in ("/health/live", "/health/ready", "/model", "/docs", "/openapi.json"):
        assert requests.get(service.url(path), timeout=10).status_code == 200


def test_it_tells_where_to_go_and_what_to_paste(service: Service) -> None:
    wait_until(lambda: "Request a decision" in service.log.read_text(encoding="utf-8"), "the announcement")
    announcement = service.log.read_text(encoding="utf-8")
    assert f"http://localhost:{service.port}/docs" in announcement
    command = next(line for line in announcement.splitlines() if line.strip().startswith("curl"))
    answer = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, timeout=20)
    assert '"prediction":' in answer.stdout


def test_log_lines_are_json_with_the_request_s_id(service: Service) -> None:
    requests.post(service.url("/predict"), json=application(), headers={"X-Request-ID": "e2e-1"}, timeout=10)
    (line,) = [line for line in service.log_lines if line.get("request_id") == "e2e-1"]
    assert (line["level"], line["route"], line["status"]) == ("INFO", "/predict", 200)


def test_metrics_need_the_password(service: Service) -> None:
    assert requests.get(service.url("/metrics"), timeout=10).status_code == 401
    assert (service.home / "metrics_password").stat().st_mode & 0o777 == 0o600


def test_counters_add_up_over_workers_and_survive_their_death(service: Service) -> None:
    counter = 'loan_predictions_total{endpoint="batch",model_version="1.0.0",outcome="approved"}'
    rejected = counter.replace("approved", "rejected")

    def decided() -> float:
        samples = service.metrics()
        return samples.get(counter, 0) + samples.get(rejected, 0)

    def send(rows: int) -> int:
        with PatientClient(service.port) as connection:
            return connection.post("/predict/batch", json.dumps({"instances": [application()] * rows}))[0]

    before = decided()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, [5] * 40)) == {200}
    assert decided() == before + 200

    for _ in range(2):
        victim = service.workers[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(
            lambda gone=victim: gone not in service.workers and len(service.workers) == WORKERS,  # type: ignore[misc]
            "another worker",
        )
        wait_until(service.is_ready, "the service to be ready again")
        assert decided() >= before + 200
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, [5] * 40)) == {200}
    assert decided() == before + 400
    # One file per kind of metric and slot; replacements reuse the files.
    files = list((service.home / "run").glob(f"metrics-{service.port}/*.db"))
    assert len(files) <= 4 * WORKERS


def test_an_interrupt_stops_it_cleanly(service: Service) -> None:
    """Interrupt every process of the group, as a terminal does."""
    log_before = len(service.log.read_text(encoding="utf-8"))
    lines_before = len(service.log_lines)
    os.killpg(service.process.pid, signal.SIGINT)
    assert service.process.wait(timeout=40) == 0
    assert not [line for line in service.log_lines[lines_before:] if line["level"] == "ERROR"]
    assert "Traceback" not in service.log.read_text(encoding="utf-8")[log_before:]


def test_it_waits_for_the_first_model(own_home: TrainedHome) -> None:
    """Start before training: the service is alive but not ready, and serves the first model once it exists."""
    home = own_home.settings.loan_home
    registry = home / "mlflow.db"
    registry.rename(home / "moved.db")
    with started_service(home, ready=False) as service:

        def answers() -> bool:
            try:
                return requests.get(service.url("/health/live"), timeout=5).status_code == 200
            except requests.RequestException:
                return False

        wait_until(answers, "the service to be alive")
        assert requests.get(service.url("/health/ready"), timeout=10).status_code == 503
        assert requests.post(service.url("/predict"), json=application(), timeout=10).status_code == 503
        (home / "moved.db").rename(registry)
        wait_until(service.is_ready, "the first model to be served")
        assert requests.post(service.url("/predict"), json=application(), timeout=10).status_code == 200
