"""Malformed requests get a problem document that does not repeat what was sent."""

import json
import socket

import pytest
import requests

from tests.support.service import Service
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

SECRET = "hunter2"
HOST = "Host: x\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (f"GET {SECRET}\r\n\r\n", 400),
        (f"G@T{SECRET} / HTTP/1.1\r\n{HOST}\r\n", 400),
        (f"GET /health HTTP/{SECRET}\r\n{HOST}\r\n", 400),
        (f"GET /health HTTP/1.1\r\n{HOST}X-API-Key {SECRET}\r\n\r\n", 400),
        (f"GET /health HTTP/1.1\r\n{HOST}X-API-Key: {SECRET}\x00\r\n\r\n", 400),
        (f"GET /health HTTP/1.1\r\n{HOST}{SECRET} : x\r\n\r\n", 400),
        (f"GET /health HTTP/1.1\r\n{HOST}X: {SECRET}{'x' * 9000}\r\n\r\n", 431),
        (f"GET /health HTTP/1.1\r\n{HOST}" + f"X: {SECRET}\r\n" * 101 + "\r\n", 431),
        (f"POST /predict HTTP/1.1\r\n{HOST}Transfer-Encoding: {SECRET}\r\n\r\n", 501),
    ],
)
def test_the_response_is_a_problem_and_the_request_is_neither_returned_nor_logged(
    service: Service, sent: str, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(sent.encode("latin1"))
        with connection.makefile("rb") as file:
            head, _, body = file.read().partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"application/problem+json" in head
    problem = json.loads(body)
    assert problem["status"] == status
    wait_until(
        lambda: any(line.get("request_id") == problem["request_id"] for line in service.log_lines),
        "the line of the request",
    )
    assert SECRET.encode() not in head + body
    assert SECRET not in service.log.read_text(encoding="utf-8")
    assert requests.get(service.url("/health/live"), timeout=10).status_code == 200
