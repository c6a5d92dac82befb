"""The policy of a running service: followed by workers and batch processes, kept while the file is broken, recorded."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from loan_api.adapters.keys.file import add_key
from loan_api.settings import PROJECT_ROOT
from tests.support.applications import application
from tests.support.policies import EXAMPLE
from tests.support.service import Service, environment, free_port, run_command, started_service
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

# More than a worker decides itself.
BATCH_ROWS = 400
TOO_LARGE = {"loan_amount": 30_000_000, "income_annum": 1_000_000}


@pytest.fixture(scope="module")
def file(home: Path) -> Path:
    file = home / "policy.toml"
    file.write_text(EXAMPLE.read_text())
    return file


@pytest.fixture(scope="module")
def key(home: Path) -> dict[str, str]:
    """Return the header with a key that may do everything."""
    return {"X-API-Key": add_key(home / "keys.json", "operations", ("admin",), datetime.now(UTC))}


@pytest.fixture(scope="module")
def running(home: Path, file: Path, key: dict[str, str]) -> Iterator[Service]:
    with started_service(home, POLICY_PATH=str(file), API_KEYS_FILE=str(home / "keys.json")) as service:
        yield service


def decide(service: Service, key: dict[str, str], **changes: Any) -> dict[str, Any]:
    """Decide over a new connection, so that any worker may answer."""
    headers = {**key, "Connection": "close"}
    response = requests.post(service.url("/predict"), json=application(**changes), headers=headers, timeout=30)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def decide_batch(service: Service, key: dict[str, str], **changes: Any) -> dict[str, Any]:
    rows = [application(**changes)] * BATCH_ROWS
    response = requests.post(service.url("/predict/batch"), json={"instances": rows}, headers=key, timeout=60)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def replace(file: Path, text: str) -> None:
    """Replace the file as editors do."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def wait_for_version(service: Service, key: dict[str, str], version: str) -> None:
    """Wait until sixteen answers in a row, of whichever workers, are by that version."""
    wait_until(
        lambda: all(decide(service, key)["policy_version"] == version for _ in range(16)),
        f"every worker to decide by version {version}",
        60,
    )


def found(service: Service, key: dict[str, str], decision_id: str) -> dict[str, Any]:
    response = requests.get(service.url(f"/decisions/{decision_id}"), headers=key, timeout=30)
    assert response.status_code == 200, response.text
    recorded: dict[str, Any] = response.json()
    return recorded


def test_a_change_is_followed_by_every_worker_and_every_batch_process(
    running: Service, key: dict[str, str], file: Path
) -> None:
    single = decide(running, key, **TOO_LARGE)
    named = {"decision": "decline", "rule": "loan_too_large", "policy_version": "2026-11"}
    assert single.items() >= named.items()
    recorded = found(running, key, single["decision_id"])
    assert recorded.items() >= named.items()
    batch = decide_batch(running, key, **TOO_LARGE)
    assert batch["policy_version"] == "2026-11"
    assert {(row["decision"], row["rule"]) for row in batch["predictions"]} == {("decline", "loan_too_large")}
    row = found(running, key, f"{batch['batch_id']}:{BATCH_ROWS - 1}")
    assert row.items() >= (named | {"policy_digest": recorded["policy_digest"]}).items()
    assert found(running, key, batch["batch_id"])["declined"] == BATCH_ROWS

    started = set(running.workers)
    replace(file, file.read_text().replace("2026-11", "2026-12").replace("loan_too_large", "beyond_means"))
    wait_for_version(running, key, "2026-12")
    assert set(running.workers) == started
    assert decide(running, key, **TOO_LARGE)["rule"] == "beyond_means"
    later = decide_batch(running, key, **TOO_LARGE)
    assert (later["policy_version"], later["predictions"][0]["rule"]) == ("2026-12", "beyond_means")
    # What was decided before is not changed by it.
    assert found(running, key, single["decision_id"]) == recorded
    samples = running.metrics()
    labels = 'decision="decline",endpoint="batch",model_version="1.0.0",rule='
    assert samples[f'loan_decisions_total{{{labels}"loan_too_large"}}'] == BATCH_ROWS
    assert samples[f'loan_decisions_total{{{labels}"beyond_means"}}'] == BATCH_ROWS
    assert [value for name, value in samples.items() if name.startswith("loan_policy_info") and "2026-12" in name] == [
        1
    ]


def test_a_broken_file_leaves_the_policy_in_force_even_for_a_new_worker(
    running: Service, key: dict[str, str], file: Path
) -> None:
    good = file.read_text()
    version = decide(running, key)["policy_version"]
    replace(file, good.replace("cibil_score < 350", "cibil < 350").replace("0.8", "80"))

    def checks() -> dict[str, Any]:
        answer: dict[str, Any] = requests.get(
            running.url("/health"), headers={"Connection": "close"}, timeout=10
        ).json()
        return {"status": answer["status"], **answer["checks"]}

    problem = (
        "the policy file is unusable, so the previous policy stays in force:"
        " it has 2 errors (bands.approve_from, rules.score_too_low.when)"
    )
    # Each worker polls the file on its own.
    wait_until(lambda: {checks()["policy"] for _ in range(8)} == {problem}, "the health to report the file", 30)
    victim = running.workers[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in running.workers and running.is_all_there(), "the worker to be replaced", 90)
    wait_for_version(running, key, version)
    assert decide_batch(running, key)["policy_version"] == version
    assert checks()["status"] == "degraded"
    replace(file, good)
    wait_until(lambda: all(checks()["status"] == "healthy" for _ in range(8)), "the health to recover", 30)


def test_activations_are_recorded_once_and_decisions_are_replayed_by_the_policy_that_made_them(
    running: Service, key: dict[str, str], file: Path, home: Path
) -> None:
    decide_batch(running, key)
    decide(running, key)
    replace(file, file.read_text().replace("approve_from = 0.8", "approve_from = 0.99").replace("2026-12", "2027-01"))
    wait_for_version(running, key, "2027-01")
    decide(running, key, **TOO_LARGE)
    history = run_command(home, "-m", "loan_api", "policy", "history").splitlines()
    assert [line.split()[1] for line in history] == ["2026-11", "2026-12", "2027-01"]
    replayed = run_command(home, "-m", "loan_api", "decisions", "replay")
    assert replayed.endswith(" decisions replayed, 0 differences.\n")
    assert int(replayed.split()[0]) > 3 * BATCH_ROWS


def test_a_service_does_not_start_with_a_broken_file_and_lists_every_problem(home: Path, tmp_path: Path) -> None:
    broken = tmp_path / "policy.toml"
    broken.write_text(EXAMPLE.read_text().replace("0.5", "0.95").replace("cibil_score < 350", "cibil_score < 300"))
    for command in ("serve", "init"):
        finished = subprocess.run(
            [sys.executable, "-m", "loan_api", command],
            cwd=PROJECT_ROOT,
            env=environment(home, free_port(), {"POLICY_PATH": str(broken)}),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert finished.returncode == 1
        assert finished.stderr.splitlines() == [
            "Error: POLICY_PATH: bands.refer_from: must be at most approve_from, 0.8",
            "POLICY_PATH: rules.score_too_low.when: can never apply: no valid application meets the condition",
        ]


def test_a_start_without_the_policy_ends_it(home: Path, running: Service, key: dict[str, str]) -> None:
    """Use the database of the service that still runs with one; the next change of its file begins one again."""
    before = run_command(home, "-m", "loan_api", "policy", "history").splitlines()
    run_command(home, "-m", "loan_api", "init")
    after = run_command(home, "-m", "loan_api", "policy", "history").splitlines()
    assert after[:-1] == before
    assert after[-1].endswith("  none: the model's threshold decides")
    assert json.dumps(decide(running, key)["policy_version"]) == '"2027-01"'
