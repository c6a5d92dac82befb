"""Slow clients are disconnected in time and do not delay others."""

import json
import select
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from loan_api.formats.codecs import CSV, JSON
from tests.e2e.unharmed import unharmed
from tests.support.applications import application
from tests.support.figures import Figure, record_figures
from tests.support.hostile_requests import posted, request
from tests.support.patient_client import PatientClient
from tests.support.service import ClosedService
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

# The limits in docs/security.md, and an allowance for a busy machine.
HEAD_SECONDS, BODY_SECONDS, TAKING_SECONDS = 75, 30, 60
LATE_SECONDS = 10
STEP_SECONDS = 1
PROMPT_SECONDS = 5
EACH = 5
ANSWERS = 500


@dataclass
class Slow:
    """A client that sends `rest` byte by byte, and its result."""

    connection: socket.socket
    rest: bytes
    limit: float
    allowed: bytes
    answer: bytes = b""
    seconds: float = 0.0

    def send(self) -> None:
        """Send one more byte, if there is any."""
        byte, self.rest = self.rest[:1], self.rest[1:]
        if byte:
            self.connection.send(byte)


def connected(closed: ClosedService, sent: bytes) -> socket.socket:
    connection = socket.socket()
    # A small buffer, so that the client takes only what it reads.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", closed.service.port))
    connection.sendall(sent)
    return connection


def senders(closed: ClosedService) -> Iterator[Slow]:
    """Yield clients that send heads and bodies byte by byte, or not at all."""
    key = f"X-API-Key: {closed.key}"
    for head in (b"", b"GET /health HTTP/1.1\r\nHost: x\r\nX: "):
        for rest in (b"", b"x" * 1_000):
            yield Slow(connected(closed, head), rest, HEAD_SECONDS, b"")
    for method, path in (
        ("POST", "/predict"),
        ("POST", "/predict/batch"),
        ("POST", "/outcomes"),
        ("PUT", "/decisions/x/outcome"),
    ):
        for rest in (b"", b" " * 1_000):
            whole = request(method, path, b"", [key, f"Content-Type: {JSON}"], length=1_000)
            yield Slow(connected(closed, whole), rest, BODY_SECONDS, b"408")
        chunked = request(method, path, b"", [key, f"Content-Type: {JSON}", "Transfer-Encoding: chunked"])
        yield Slow(connected(closed, chunked), b"1\r\n \r\n" * 200, BODY_SECONDS, b"408")
    # Answered immediately; the rest of the request is discarded and gets no separate response.
    for path, status in (("/health/live", b"200"), ("/nowhere", b"404")):
        kept = request("GET", path, length=3).replace(b"Connection: close\r\n", b"")
        yield Slow(connected(closed, kept), b"", BODY_SECONDS, status)


def wait_for_ends(clients: Sequence[Slow]) -> None:
    """Keep sending until the service has disconnected all clients."""
    began = time.monotonic()
    waiting = list(clients)
    while waiting:
        assert time.monotonic() - began < HEAD_SECONDS + 2 * LATE_SECONDS, f"{len(waiting)} are still connected"
        step_ends = time.monotonic() + STEP_SECONDS
        while waiting and (left := step_ends - time.monotonic()) > 0:
            by_connection = {client.connection: client for client in waiting}
            for connection in select.select(list(by_connection), [], [], left)[0]:
                client = by_connection[connection]
                if piece := received(connection):
                    client.answer += piece
                else:
                    client.seconds = time.monotonic() - began
                    waiting.remove(client)
        for client in waiting:
            try:
                client.send()
            except ConnectionError:
                # It has disconnected; its response can still be read.
                client.rest = b""


def received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except ConnectionError:
        return b""


@contextmanager
def promptly_answered(closed: ClosedService) -> Iterator[list[float]]:
    """Request decisions during the block, and collect their latencies."""
    latencies: list[float] = []
    statuses: set[int] = set()
    over = threading.Event()

    def ask() -> None:
        with PatientClient(closed.service.port, **{"X-API-Key": closed.key}) as connection:
            while not over.wait(0.05):
                asked = time.monotonic()
                statuses.add(connection.post("/predict", json.dumps(application()))[0])
                latencies.append(time.monotonic() - asked)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield latencies
    finally:
        over.set()
        asking.join()
    assert statuses == {200}
    assert max(latencies) < PROMPT_SECONDS


def taker(closed: ClosedService) -> socket.socket:
    """Request more than the socket buffers hold, and read nothing."""
    return connected(closed, request("GET", "/openapi.json").replace(b"Connection: close\r\n", b"") * ANSWERS)


def test_clients_that_read_no_response_delay_nobody(closed_service: ClosedService) -> None:
    row = ",".join(str(value) for value in application().values())
    body = "\n".join([",".join(application()), *[row] * 10_000]).encode()
    batch = posted("/predict/batch", body, CSV, f"X-API-Key: {closed_service.key}")
    with unharmed(closed_service), ExitStack() as open_ones, promptly_answered(closed_service) as latencies:
        for connection in [*(connected(closed_service, batch) for _ in range(3)), taker(closed_service)]:
            open_ones.enter_context(connection)
            select.select([connection], [], [], 20)
        asked = len(latencies)
        wait_until(lambda: len(latencies) > asked + 20, "further decisions")


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_slow_clients_are_disconnected_in_time(closed_service: ClosedService) -> None:
    with unharmed(closed_service) as harm, ExitStack() as open_ones, promptly_answered(closed_service) as latencies:
        slow = [client for _ in range(EACH) for client in senders(closed_service)]
        lazy = [taker(closed_service) for _ in range(EACH)]
        for connection in [*(client.connection for client in slow), *lazy]:
            open_ones.enter_context(connection)
        wait_for_ends(slow)
        whole = sum(is_whole(connection) for connection in lazy)
    assert slow
    for client in slow:
        assert client.answer[9:12] == client.allowed, client
        assert client.answer.count(b"HTTP/1.1") == bool(client.allowed), client
        assert client.seconds < client.limit + LATE_SECONDS
    assert whole == 0
    figures: dict[str, Figure] = {
        "slow heads, longest s": round(max(client.seconds for client in slow if not client.allowed), 1),
        "slow bodies, longest s": round(max(client.seconds for client in slow if client.allowed), 1),
        "unread answers, closed": len(lazy) - whole,
        "decisions meanwhile": len(latencies),
        "worst ms": round(max(latencies) * 1000),
        "largest growth, MB": harm.growth,
    }
    record_figures(f"{len(slow) + len(lazy)} at once", figures, table="Slow clients")


def is_whole(connection: socket.socket) -> bool:
    """Return True if all responses arrive after all; those already sent do arrive."""
    content = b""
    while piece := received(connection):
        content += piece
    return content.count(b"HTTP/1.1 200 OK") == ANSWERS
