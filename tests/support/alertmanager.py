"""A real Alertmanager with the project's configuration, and a receiver that replaces all configured ones."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
import yaml

from loan_api.settings import PROJECT_ROOT
from tests.support.waiting import wait_until

CONFIGURATION = PROJECT_ROOT / "prometheus" / "alertmanager.yml"
SECRETS_FOLDER = "/run/loan-secrets/alertmanager"
HOW_TO_INSTALL = "Alertmanager is missing: apt-get install prometheus-alertmanager"


@dataclass(frozen=True)
class Notification:
    """A notification sent to a receiver."""

    path: str
    authorization: str
    body: dict[str, Any]


@dataclass
class Receiver:
    """A receiver that keeps all notifications, regardless of their path."""

    url: str
    received: list[Notification] = field(default_factory=list)

    def at(self, path: str) -> list[Notification]:
        return [each for each in self.received if each.path == path]


@dataclass(frozen=True)
class Alertmanager:
    """Client of Alertmanager's API."""

    url: str

    def post(self, *alerts: dict[str, str]) -> None:
        """Fire alerts with these labels from now on."""
        body = [{"labels": labels, "annotations": {"summary": "It is so."}} for labels in alerts]
        requests.post(f"{self.url}/api/v2/alerts", json=body, timeout=10).raise_for_status()

    def silenced(self) -> list[dict[str, str]]:
        """Return the labels of inhibited alerts."""
        return [each["labels"] for each in self._alerts() if each["status"]["inhibitedBy"]]

    def count(self) -> int:
        return len(self._alerts())

    def _alerts(self) -> list[dict[str, Any]]:
        answer = requests.get(f"{self.url}/api/v2/alerts", timeout=10)
        answer.raise_for_status()
        alerts: list[dict[str, Any]] = answer.json()
        return alerts


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    """Run a receiver on a free local port."""
    receiver = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            authorization = self.headers.get("Authorization", "")
            receiver.received.append(Notification(self.path, authorization, json.loads(body)))
            self.send_response(202)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield receiver
        finally:
            server.shutdown()


@contextmanager
def running_alertmanager(folder: Path, receiver: Receiver) -> Iterator[Alertmanager]:
    """Run Alertmanager with the project's configuration, except for addresses, secrets and grouping delays."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip(HOW_TO_INSTALL)
    secrets = folder / "secrets"
    secrets.mkdir(parents=True)
    for name in ("pager_routing_key", "ticket_token", "dead_mans_switch_token"):
        (secrets / name).write_text(f"secret of {name}", encoding="utf-8")
    (folder / "alertmanager.yml").write_text(_configuration(secrets, receiver), encoding="utf-8")
    alertmanager = Alertmanager(f"http://127.0.0.1:{_free_port()}")
    command = [
        program,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'storage'}",
        f"--web.listen-address={alertmanager.url.removeprefix('http://')}",
        "--cluster.listen-address=",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_until(lambda: _ready(alertmanager, process), "Alertmanager to be ready", seconds=30)
            yield alertmanager
        finally:
            process.kill()


def _configuration(secrets: Path, receiver: Receiver) -> str:
    text = CONFIGURATION.read_text(encoding="utf-8").replace(SECRETS_FOLDER, str(secrets))
    text = text.replace("https://tickets.example", receiver.url).replace(
        "https://dead-mans-switch.example", receiver.url
    )
    configuration = yaml.safe_load(text)
    configuration["global"]["pagerduty_url"] = f"{receiver.url}/pager"
    for route in (configuration["route"], *configuration["route"]["routes"]):
        route["group_wait"] = "0s"
    changed: str = yaml.safe_dump(configuration)
    return changed


def _ready(alertmanager: Alertmanager, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "Alertmanager has ended"
    try:
        return requests.get(f"{alertmanager.url}/-/ready", timeout=2).ok
    except requests.ConnectionError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
