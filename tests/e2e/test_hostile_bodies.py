"""Bodies that arrive slowly or never end do not delay other clients."""

import socket
import time

import pytest
import requests

from tests.support.applications import application
from tests.support.service import WORKERS, Service

pytestmark = pytest.mark.slow

HEAD = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{}\r\n\r\n"


def connect(service: Service, path: str, header: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=50)
    connection.sendall(HEAD.format(path, header).encode())
    return connection


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_a_chunk_head_that_never_ends_is_refused(service: Service, path: str) -> None:
    for _ in range(WORKERS + 1):
        with connect(service, path, "Transfer-Encoding: chunked") as connection:
            connection.settimeout(20)
            started = time.monotonic()
            for _ in range(400):
                connection.sendall(b"a" * 10_000)
            assert connection.recv(65536).startswith(b"HTTP/1.1 400")
            assert time.monotonic() - started < 15
        assert requests.post(service.url("/predict"), json=application(), timeout=5).status_code == 200


def test_bodies_that_do_not_arrive_take_no_room_from_others(service: Service) -> None:
    slow = [connect(service, "/predict/batch", "Content-Length: 16000000") for _ in range(10)]
    for connection in slow:
        connection.sendall(b"{")
    batch = {"instances": [application()] * 5000}
    started = time.monotonic()
    assert requests.post(service.url("/predict/batch"), json=batch, timeout=20).status_code == 200
    assert time.monotonic() - started < 9
    for connection in slow:
        connection.close()
