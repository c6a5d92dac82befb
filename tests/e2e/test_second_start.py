"""A failed start does not affect a running service, and explains the failure."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from loan_api.adapters.keys.file import add_key
from loan_api.settings import PROJECT_ROOT
from tests.support.applications import application
from tests.support.homes import TrainedHome, copy_of
from tests.support.service import Service, environment, started_service
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running(trained_home: TrainedHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a service with API keys that has made a decision."""
    home = copy_of(trained_home, tmp_path_factory.mktemp("first") / "home").settings.loan_home
    key = add_key(home / "keys.json", "shop", ("score",), datetime.now(UTC))
    with started_service(home, API_KEYS_FILE=str(home / "keys.json")) as service:
        wait_until(service.is_all_there, "every worker to be ready")
        answer = requests.post(service.url("/predict"), json=application(), headers={"X-API-Key": key}, timeout=30)
        assert answer.status_code == 200
        yield service


def state_of(service: Service) -> tuple[dict[str, int], set[str]]:
    """Return the inodes of the workers' shared files, and the names of all series."""
    files = {path.name: path.stat().st_ino for path in (service.home / "run").rglob("*") if path.is_file()}
    assert files
    return files, set(service.metrics())


def second_start(service: Service, home: Path, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environ = {"API_KEYS_FILE": str(service.home / "keys.json"), **environ}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=PROJECT_ROOT,
        env=environment(home, service.port, environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_second_serve_on_a_taken_port_changes_nothing_and_explains_once(running: Service, tmp_path: Path) -> None:
    before = state_of(running)
    for home in (running.home, tmp_path / "other"):
        failed = second_start(running, home, "loan_api", "serve", "--announce")
        assert failed.returncode == 1
        assert failed.stdout == ""
        assert failed.stderr.count(f"Port {running.port} is already in use") == 1
        assert "PORT=" in failed.stderr
        assert "Traceback" not in failed.stderr
    assert state_of(running) == before
    assert before[1] >= {"loan_workers"}
    assert running.metrics()["loan_workers"] == 2
    assert list((tmp_path / "other").rglob("*")) == []


@pytest.mark.parametrize("command", [("loan_api", "serve"), ("gunicorn", "-c", "gunicorn.conf.py", "wsgi:app")])
def test_the_same_port_of_another_address_is_refused_with_the_same_home(
    running: Service, command: tuple[str, ...]
) -> None:
    """Check that two services cannot share metrics and keys."""
    before = state_of(running)
    failed = second_start(running, running.home, *command, HOST="127.0.0.2")
    assert failed.returncode == 1
    assert failed.stderr.count("already uses this LOAN_HOME with port") == 1
    assert state_of(running) == before


def test_gunicorn_itself_changes_nothing_if_the_port_is_taken(running: Service) -> None:
    before = state_of(running)
    assert second_start(running, running.home, "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app").returncode == 1
    assert state_of(running) == before


def test_a_service_on_all_addresses_is_reached_by_ipv4_and_ipv6(home: Path) -> None:
    with started_service(home, HOST="::") as service:
        for host in ("127.0.0.1", "[::1]"):
            assert requests.get(f"http://{host}:{service.port}/health/live", timeout=10).status_code == 200
        wait_until(
            lambda: f"http://localhost:{service.port}/docs" in service.log.read_text(encoding="utf-8"),
            "the announcement",
            seconds=30,
        )
