"""A response is sent in one piece, times out, and reaches a client that is still sending."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import pytest

from loan_api.entrypoints.server.accepting import ClientSocket


@pytest.fixture
def connected() -> Iterator[tuple[ClientSocket, Any]]:
    """Provide the worker's and the client's end of a connection."""
    ours, theirs = gevent.socket.socketpair()
    with ClientSocket(ours.family, ours.type, ours.proto, fileno=ours.detach()) as client_socket, theirs:
        yield client_socket, theirs


def received(connection: Any, size: int) -> bytes:
    content = b""
    while len(content) < size:
        content += connection.recv(65_536)
    return content


@pytest.mark.parametrize("size", [1, 10_000_000])
def test_a_response_that_is_taken_arrives_complete(connected: tuple[ClientSocket, Any], size: int) -> None:
    ours, theirs = connected
    content = bytes(range(256)) * (size // 256 + 1)
    taking = gevent.spawn(received, theirs, len(content))
    ours.sendall(content)
    assert taking.get(timeout=10) == content


def test_a_response_that_is_not_taken_is_given_up(connected: tuple[ClientSocket, Any]) -> None:
    """Raise the error of a closed connection, which gunicorn does not log."""
    ours, _ = connected
    ours.send_seconds = 0.05
    with pytest.raises(BrokenPipeError):
        ours.sendall(b"x" * 10_000_000)


def test_what_is_corked_is_sent_together(connected: tuple[ClientSocket, Any]) -> None:
    ours, theirs = connected
    ours.cork()
    ours.sendall(b"head, ")
    ours.sendall(b"body")
    # Data sent on a local socket pair is available immediately.
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(100)
    theirs.setblocking(True)
    ours.uncork()
    assert theirs.recv(100) == b"head, body"
    ours.sendall(b"more")
    assert theirs.recv(100) == b"more"


def test_no_more_than_a_piece_is_corked(connected: tuple[ClientSocket, Any]) -> None:
    ours, theirs = connected
    ours.cork()
    ours.sendall(b"x" * 70_000)
    ours.sendall(b"y")
    assert received(theirs, 70_000) == b"x" * 70_000
    ours.uncork()
    assert theirs.recv(100) == b"y"


def test_a_file_is_sent_after_what_is_corked(connected: tuple[ClientSocket, Any], tmp_path: Path) -> None:
    ours, theirs = connected
    (tmp_path / "file").write_bytes(b"body")
    ours.cork()
    ours.sendall(b"head, ")
    with (tmp_path / "file").open("rb") as file:
        ours.sendfile(file)
    assert received(theirs, 10) == b"head, body"
    ours.uncork()


@contextmanager
def over_tcp() -> Iterator[tuple[ClientSocket, socket.socket]]:
    """Provide a TCP connection, which is reset if closed with unread data; the client does not use gevent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname(), timeout=20)
        accepted, _ = listener.accept()
        with ClientSocket(socket.AF_INET, socket.SOCK_STREAM, fileno=accepted.detach()) as ours, theirs:
            yield ours, theirs


def test_a_client_that_is_still_sending_reads_the_response() -> None:
    with over_tcp() as (ours, theirs), ThreadPoolExecutor(1) as pool:
        sending = pool.submit(theirs.sendall, b"x" * 20_000_000)
        ours.sendall(b"refused")
        ours.linger()
        ours.close()
        sending.result(timeout=20)
        assert theirs.recv(100) == b"refused"
        assert theirs.recv(100) == b""


@pytest.mark.parametrize("limits", [{"seconds": 0.05}, {"most_bytes": 100_000}])
def test_a_client_that_never_stops_sending_is_not_waited_for(limits: dict[str, Any]) -> None:
    with over_tcp() as (ours, theirs), ThreadPoolExecutor(1) as pool:

        def send_forever() -> None:
            while True:
                theirs.sendall(b"x" * 1000)

        sending = pool.submit(send_forever)
        ours.linger(**limits)
        ours.close()
        with pytest.raises(ConnectionError):
            sending.result(timeout=20)


def test_a_client_that_sends_nothing_more_is_not_waited_for_long() -> None:
    with over_tcp() as (ours, _):
        began = time.monotonic()
        ours.linger(seconds=0.05)
        assert time.monotonic() - began < 5
