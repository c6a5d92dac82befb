"""The health check of containers reports the status of the service."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from loan_api.settings import PROJECT_ROOT


class Answers(BaseHTTPRequestHandler):
    """HTTP handler of a service that is alive but not ready."""

    def do_GET(self) -> None:
        """Answer 200 for /health/live and 503 otherwise."""
        self.send_response(200 if self.path == "/health/live" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """Run a service and yield its port."""
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def probe(port: int, path: str) -> int:
    command = [sys.executable, "-IS", str(PROJECT_ROOT / "loan_api" / "entrypoints" / "server" / "probe.py"), path]
    return subprocess.run(command, env={"PORT": str(port)}, check=False, timeout=30).returncode


def test_only_200_is_healthy(port: int) -> None:
    assert probe(port, "/health/live") == 0
    assert probe(port, "/health/ready") == 1


def test_a_port_without_a_service_is_unhealthy() -> None:
    with HTTPServer(("127.0.0.1", 0), Answers) as closed:
        port = closed.server_port
    assert probe(port, "/health/live") == 1
