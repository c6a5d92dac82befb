"""The tests' own client repeats what load shedding refused, and nothing else."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.support.patient_client import SATURATED, PatientClient


@contextmanager
def answering(*answers: tuple[int, str]) -> Iterator[int]:
    """Serve these answers, each a status and a problem type, one after another; provide the port."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, kind = left.pop(0)
            body = json.dumps({"type": kind}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Retry-After", "0.01")
            self.send_header("Connection", "close" if left else "keep-alive")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_load_shedding_is_waited_out_and_counted() -> None:
    with answering((503, SATURATED), (503, SATURATED), (200, "")) as port, PatientClient(port) as client:
        assert client.post("/predict", "{}") == (200, b'{"type": ""}')
        assert client.refused == 2


@pytest.mark.parametrize(("status", "kind"), [(503, "urn:loan-api:problem:no-model"), (500, SATURATED)])
def test_another_refusal_is_the_answer(status: int, kind: str) -> None:
    with answering((status, kind), (200, "")) as port, PatientClient(port) as client:
        assert client.post("/predict", "{}")[0] == status
        assert client.refused == 0


def test_patience_ends() -> None:
    with (
        answering(*[(503, SATURATED)] * 40) as port,
        PatientClient(port) as client,
        pytest.raises(AssertionError, match="30 times"),
    ):
        client.post("/predict", "{}")
