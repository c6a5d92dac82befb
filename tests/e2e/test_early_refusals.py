"""Early refusals reach clients that are still sending their body or wait for 100 Continue."""

import json
import socket
import urllib.error
import urllib.request

import pytest
import requests

from tests.support.applications import application
from tests.support.service import ClosedService, Service

pytestmark = pytest.mark.slow

REPEATS = 20


def post_with_urllib(url: str, body: bytes) -> tuple[int, dict[str, object]]:
    """Post as urllib does, which reads the response only after it has sent everything."""
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize(
    ("path", "size", "repeats"),
    [("/predict", 100_000, REPEATS), ("/predict", 20_000_000, 3), ("/predict/batch", 20_000_000, 3)],
)
def test_a_body_that_is_too_large_is_always_a_413(service: Service, path: str, size: int, repeats: int) -> None:
    for _ in range(repeats):
        status, problem = post_with_urllib(service.url(path), b" " * size)
        assert (status, problem["status"]) == (413, 413)


@pytest.mark.parametrize("size", [100_000, 20_000_000])
def test_a_key_that_is_missing_is_always_a_401(closed_service: ClosedService, size: int) -> None:
    for _ in range(3):
        status, _ = post_with_urllib(closed_service.service.url("/predict/batch"), b" " * size)
        assert status == 401


def test_a_malformed_request_with_a_body_is_always_a_400(service: Service) -> None:
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
            connection.sendall(b"POST /predict HTTP/x\r\n\r\n" + b"x" * 1_000_000)
            assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 400 ")


def expecting(path: str, length: int, *headers: str) -> bytes:
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        "Expect: 100-continue",
        f"Content-Length: {length}",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode()


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(expecting("/predict/batch", 20_000_000))
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert b"Connection: close" in answer


def test_a_key_that_is_missing_is_refused_before_the_body_is_sent(closed_service: ClosedService) -> None:
    with socket.create_connection(("127.0.0.1", closed_service.service.port), timeout=20) as connection:
        connection.sendall(expecting("/predict", 500))
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_body_that_is_welcome_is_asked_for_and_the_connection_is_kept(service: Service) -> None:
    body = json.dumps(application()).encode()
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        for _ in range(2):
            connection.sendall(expecting("/predict", len(body)))
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(body)
            answer = connection.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"Connection: close" not in answer
    assert requests.post(service.url("/predict"), json=application(), timeout=20).status_code == 200
