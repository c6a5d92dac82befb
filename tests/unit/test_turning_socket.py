"""An answer goes out in one piece, and is on its way to the client or given up in time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import pytest

from loan_api.entrypoints.server import server
from loan_api.entrypoints.server.server import TurningSocket


@pytest.fixture
def connected() -> Iterator[tuple[TurningSocket, Any]]:
    """A connection as the worker has it, and the client's end."""
    ours, theirs = gevent.socket.socketpair()
    with TurningSocket(ours.family, ours.type, ours.proto, fileno=ours.detach()) as turning, theirs:
        yield turning, theirs


def received(connection: Any, size: int) -> bytes:
    content = b""
    while len(content) < size:
        content += connection.recv(65_536)
    return content


@pytest.mark.parametrize("size", [1, 10_000_000])
def test_an_answer_that_is_taken_arrives_whole(connected: tuple[TurningSocket, Any], size: int) -> None:
    ours, theirs = connected
    content = bytes(range(256)) * (size // 256 + 1)
    taking = gevent.spawn(received, theirs, len(content))
    ours.sendall(content)
    assert taking.get(timeout=10) == content


def test_an_answer_that_is_not_taken_is_given_up(
    connected: tuple[TurningSocket, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the client had hung up, which gunicorn takes quietly."""
    monkeypatch.setattr(server, "_TAKING_SECONDS", 0.05)
    ours, _ = connected
    with pytest.raises(BrokenPipeError):
        ours.sendall(b"x" * 10_000_000)


def test_what_is_held_goes_out_together(connected: tuple[TurningSocket, Any]) -> None:
    ours, theirs = connected
    ours.hold()
    ours.sendall(b"head, ")
    ours.sendall(b"body")
    theirs.settimeout(0.01)
    with pytest.raises(TimeoutError):
        theirs.recv(100)
    ours.let_go()
    assert theirs.recv(100) == b"head, body"
    ours.sendall(b"more")
    assert theirs.recv(100) == b"more"


def test_no_more_is_held_than_a_piece(connected: tuple[TurningSocket, Any]) -> None:
    ours, theirs = connected
    ours.hold()
    ours.sendall(b"x" * 70_000)
    ours.sendall(b"y")
    assert received(theirs, 70_000) == b"x" * 70_000
    ours.let_go()
    assert theirs.recv(100) == b"y"


def test_a_file_goes_out_after_what_is_held(connected: tuple[TurningSocket, Any], tmp_path: Path) -> None:
    ours, theirs = connected
    (tmp_path / "file").write_bytes(b"body")
    ours.hold()
    ours.sendall(b"head, ")
    with (tmp_path / "file").open("rb") as file:
        ours.sendfile(file)
    assert received(theirs, 10) == b"head, body"
    ours.let_go()
