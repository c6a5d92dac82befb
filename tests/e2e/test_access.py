"""API keys of a running service: changed on the command line, applied by every worker."""

import itertools
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.support.applications import application
from tests.support.service import WORKERS, Service, run_command, started_service
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

_numbers = itertools.count()


class Keys:
    """The command `python -m loan_api keys …` on a key file."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.file = home / "keys.json"

    def run(self, *arguments: str) -> str:
        return run_command(self.home, "-m", "loan_api", "keys", *arguments, API_KEYS_FILE=str(self.file)).strip()


@pytest.fixture(scope="module")
def keys(home: Path) -> Keys:
    """Create a key file whose key `operations` has every scope; its text is in `operations.key`."""
    keys = Keys(home)
    (home / "operations.key").write_text(keys.run("add", "operations", "--scope", "admin"), encoding="utf-8")
    return keys


@pytest.fixture(scope="module")
def closed(home: Path, keys: Keys) -> Iterator[Service]:
    """Run a service that requires API keys."""
    with started_service(home, API_KEYS_FILE=str(keys.file)) as running:
        yield running


@pytest.fixture(scope="module")
def operations(home: Path, keys: Keys) -> dict[str, str]:
    """Return the header with the key that has every scope."""
    return {"X-API-Key": (home / "operations.key").read_text(encoding="utf-8")}


def score(service: Service, key: str | None) -> tuple[int, str]:
    """Request a decision over a new connection. Return the status and the request id."""
    request_id = f"access-{next(_numbers)}"
    headers = {"X-Request-ID": request_id, "Connection": "close"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    answer = requests.post(service.url("/predict"), json=application(), headers=headers, timeout=10)
    return answer.status_code, request_id


def wait_until_every_worker_says(service: Service, status: int, key: str) -> None:
    """Wait until every worker, identified by its log lines, has responded to `key` with `status`."""
    agreed: set[object] = set()

    def all_agree() -> bool:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: score(service, key), range(8)))
        ids = {request_id for answered, request_id in answers if answered == status}
        agreed.update(
            line["process"]
            for line in service.log_lines
            if line.get("request_id") in ids and line["logger"] == "loan_api.request"
        )
        return agreed >= set(service.workers) and len(service.workers) == WORKERS

    wait_until(all_agree, f"every worker to answer {status}", 30)


def test_keys_that_come_and_go_are_followed_by_every_worker_without_a_restart(
    closed: Service, keys: Keys, operations: dict[str, str]
) -> None:
    assert score(closed, None)[0] == 401
    started = set(closed.workers)

    key = keys.run("add", "web-shop", "--scope", "score")
    wait_until_every_worker_says(closed, 200, key)
    listed = requests.get(closed.url("/keys"), headers=operations, timeout=10).json()["keys"]
    assert [(entry["name"], entry["scopes"]) for entry in listed] == [
        ("operations", ["admin"]),
        ("web-shop", ["score"]),
    ]
    assert requests.get(closed.url("/keys"), headers={"X-API-Key": key}, timeout=10).status_code == 403

    keys.run("remove", "web-shop")
    wait_until_every_worker_says(closed, 401, key)
    assert set(closed.workers) == started

    log = closed.log.read_text(encoding="utf-8")
    assert '"api_key":"web-shop"' in log
    assert key not in log
    assert operations["X-API-Key"] not in log
    assert closed.metrics()['loan_access_refusals_total{reason="missing_scope"}'] == 1


def test_commands_at_the_same_time_lose_no_key(closed: Service, keys: Keys) -> None:
    names = [f"at-once-{number}" for number in range(6)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: keys.run("add", name, "--scope", "score"), names))
    listed = {line.split()[0] for line in keys.run("list").splitlines()}
    assert listed >= set(names)


def test_a_file_that_breaks_leaves_the_keys_of_before_in_force_also_for_a_new_worker(
    closed: Service, keys: Keys
) -> None:
    key = keys.run("add", "steady", "--scope", "score")
    wait_until_every_worker_says(closed, 200, key)
    good = keys.file.read_bytes()
    keys.file.write_bytes(good[: len(good) // 2])

    def health() -> tuple[str, str]:
        answer = requests.get(closed.url("/health"), timeout=10).json()
        return answer["status"], answer["checks"]["access"]

    wait_until(lambda: health()[0] == "degraded", "the health to be degraded", 10)
    victim = closed.workers[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in closed.workers and len(closed.workers) == WORKERS, "another worker")
    wait_until_every_worker_says(closed, 200, key)
    assert score(closed, "loan_of-nobody")[0] == 401
    assert "previous keys stay in force" in health()[1]

    keys.file.write_bytes(good)
    wait_until(lambda: {health()[0] for _ in range(8)} == {"healthy"}, "the health to be good again", 10)
    assert closed.process.poll() is None
