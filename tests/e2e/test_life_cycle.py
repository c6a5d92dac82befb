"""No request is lost when workers are replaced, models change, or processes are killed."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient

from tests.support.applications import application
from tests.support.patient_client import PatientClient
from tests.support.service import Service
from tests.support.waiting import wait_until
from training.registry.promotion import put_into_production
from training.registry.versions import find_version

pytestmark = pytest.mark.slow

BODY = json.dumps(application())
BATCH = json.dumps({"instances": [application()] * 2000})


class Client:
    """A client that repeats one request, patiently where the service is too busy, and notes what comes back."""

    def __init__(self, service: Service, path: str, body: str) -> None:
        self._port = service.port
        self._path = path
        self._body = body
        self.versions: list[str] = []
        self.failures: list[str] = []

    def run(self, over: threading.Event) -> None:
        while not over.is_set():
            with PatientClient(self._port) as connection:
                try:
                    self._repeat(connection, over)
                except (OSError, HTTPException) as error:
                    self.failures.append(repr(error))
                    over.wait(0.05)

    def _repeat(self, connection: PatientClient, over: threading.Event) -> None:
        while not over.is_set():
            status, content = connection.post(self._path, self._body)
            if status != 200:
                self.failures.append(f"{status} {content!r}")
            else:
                self.versions.append(json.loads(content)["model_version"])
            # The tests share the machine with the service.
            over.wait(0.005)


@contextmanager
def load(service: Service) -> Iterator[list[Client]]:
    """Run six clients for single decisions and two for batches during the block."""
    over = threading.Event()
    clients = [Client(service, "/predict", BODY) for _ in range(6)]
    clients += [Client(service, "/predict/batch", BATCH) for _ in range(2)]
    with ThreadPoolExecutor(len(clients)) as pool:
        running = [pool.submit(client.run, over) for client in clients]
        try:
            yield clients
        finally:
            over.set()
        for each in running:
            each.result(timeout=60)


def next_versions(clients: list[Client], answers: int = 3) -> set[str]:
    """Return the versions in the next responses, at least `answers` per client."""
    before = [len(client.versions) for client in clients]
    with_answers = list(zip(clients, before, strict=True))
    wait_until(
        lambda: all(len(client.versions) >= count + answers for client, count in with_answers),
        "responses for every client",
        seconds=30,
    )
    return {version for client, count in with_answers for version in client.versions[count:]}


def assert_nothing_was_lost(clients: list[Client]) -> None:
    assert [failure for client in clients for failure in client.failures] == []
    assert all(client.versions for client in clients)


def test_a_promotion_and_a_rollback_under_load_lose_nothing(service: Service) -> None:
    registry = MlflowClient(tracking_uri=f"sqlite:///{service.home}/mlflow.db")
    with load(service) as clients:
        for version in ("1.0.1", "1.0.0"):
            put_into_production(registry, find_version(registry, "loan_approval_model", version))

            wait_until(
                lambda wanted=version: next_versions(clients) == {wanted},  # type: ignore[misc]
                f"every worker to answer with {version}",
                seconds=30,
            )
    assert_nothing_was_lost(clients)


def test_a_reload_under_load_loses_nothing(service: Service) -> None:
    """On SIGHUP new workers take over, and old ones finish the requests on their connections."""
    before = set(service.workers)
    with load(service) as clients:
        next_versions(clients)
        os.kill(service.process.pid, signal.SIGHUP)
        wait_until(lambda: len(service.workers) == 2 and before.isdisjoint(service.workers), "other workers")
        next_versions(clients)
    assert_nothing_was_lost(clients)


def test_killed_batch_processes_lose_nothing(service: Service) -> None:
    with load(service) as clients:
        for _ in range(3):
            next_versions(clients)
            for pid in batch_processes(service):
                os.kill(pid, signal.SIGKILL)
    assert_nothing_was_lost(clients)
    wait_until(lambda: len(batch_processes(service)) == 2, "other batch processes")


def test_a_killed_follower_is_replaced(service: Service) -> None:
    (victim,) = children_of(service, "registry_follower")
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: children_of(service, "registry_follower") not in ([], [victim]), "another follower")
    wait_until(
        lambda: requests.get(service.url("/health"), timeout=10).json()["status"] == "healthy", "it to have looked"
    )


def test_a_worker_without_a_metrics_password_decides_and_refuses_metrics(service: Service) -> None:
    """Start with an empty password file, as a full disk may leave it."""
    file = service.home / "metrics_password"
    password = file.read_text(encoding="utf-8")

    def replace_workers() -> None:
        victims = service.workers
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not set(victims) & set(service.workers) and service.is_ready(), "new workers")

    file.write_text("", encoding="utf-8")
    try:
        replace_workers()
        assert requests.post(service.url("/predict"), data=BODY, headers=JSON, timeout=30).status_code == 200
        for given in ("", password.strip()):
            answer = requests.get(service.url("/metrics"), auth=("prometheus", given), timeout=10)
            assert answer.status_code == 401
    finally:
        file.write_text(password, encoding="utf-8")
    replace_workers()
    assert requests.get(service.url("/metrics"), auth=service.credentials, timeout=10).status_code == 200


def test_the_batch_of_a_client_that_hangs_up_is_dropped(service: Service) -> None:
    """Hang up while the batch waits for a process."""
    wait_until(lambda: len(batch_processes(service)) == 2, "both batch processes")
    stopped = batch_processes(service)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            connection.sendall(head_of("/predict/batch", BATCH, "X-Request-ID: gone") + BATCH.encode())
            wait_until(lambda: is_at_work(service), "a worker to have taken it")
        wait_until(lambda: any(line.get("request_id") == "gone" for line in service.log_lines), "the log line", 20)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    (line,) = [line for line in service.log_lines if line.get("request_id") == "gone"]
    assert line["status"] == 499
    assert requests.post(service.url("/predict/batch"), data=BATCH, headers=JSON, timeout=30).status_code == 200


def test_a_stop_finishes_accepted_requests_and_closes_idle_connections(service: Service) -> None:
    idle = HTTPConnection("127.0.0.1", service.port, timeout=30)
    idle.request("POST", "/predict", BODY, JSON)
    assert idle.getresponse().read()
    with socket.create_connection(("127.0.0.1", service.port)) as slow:
        slow.sendall(head_of("/predict", BODY, "X-Request-ID: slow") + BODY[:10].encode())
        wait_until(lambda: is_at_work(service), "a worker to have taken it")
        service.process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        assert idle.sock.recv(1) == b"", "the idle connection is closed before the busy one has finished"
        slow.sendall(BODY[10:].encode())
        answer = slow.recv(65536).decode()
    assert answer.startswith("HTTP/1.1 200")
    assert service.process.wait(timeout=20) == 0
    assert time.monotonic() - started < 15
    idle.close()
    # The recorder ends last, once no process records decisions.
    wait_until(lambda: children_of(service, "loan_api") == [], "every process to end", seconds=10)


def test_a_stop_under_load_answers_everything_that_was_sent(service: Service) -> None:
    """Check that every connection is either answered or refused."""
    with load(service) as clients:
        next_versions(clients)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(timeout=20) == 0
    refused = "ConnectionRefusedError"
    assert [failure for client in clients for failure in client.failures if refused not in failure] == []
    assert all(client.versions for client in clients)


JSON = {"Content-Type": "application/json"}


def head_of(path: str, body: str, header: str) -> bytes:
    """Return a request without its body."""
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        header,
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*lines, "", "")).encode()


def is_at_work(service: Service) -> bool:
    """Return True if a request is in progress besides the one for the metrics."""
    return service.metrics()["loan_http_requests_in_progress"] > 1


def batch_processes(service: Service) -> list[int]:
    return children_of(service, "batch_process")


def children_of(service: Service, name: str) -> list[int]:
    """Return the pids of the service's processes with `name` in their command line, except the master."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text()
            environ = (folder / "environ").read_text()
        except OSError:
            continue
        if name in command and f"PORT={service.port}\0" in environ and int(folder.name) != service.process.pid:
            found.append(int(folder.name))
    return sorted(found)
