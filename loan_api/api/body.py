"""Reads a request's body: of an accepted media type, no larger than allowed, within a deadline."""

import select
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from loan_api.credit.errors import SlowBodyError

_JSON = "application/json"
_PIECE_BYTES = 262_144
_DEADLINE_SECONDS = 30.0


def media_type(request: Request, accepted: Collection[str]) -> str:
    """The body's media type, any kind of JSON as application/json. Raises UnsupportedMediaType."""
    given = _JSON if request.is_json else request.mimetype
    if given not in accepted:
        raise UnsupportedMediaType(f"The body must be sent as {' or '.join(accepted)}.")
    return given


def declared_bytes(request: Request, limit: int) -> int:
    """How much is to come: as much as the request says, or may be. Raises RequestEntityTooLarge."""
    declared = limit if request.content_length is None else request.content_length
    if declared > limit:
        raise RequestEntityTooLarge
    return declared


def read_at_once(request: Request, limit: int) -> bytes:
    """A small body. Raises RequestEntityTooLarge."""
    request.max_content_length = limit
    body = request.get_data(cache=False)
    _check_whole(request, len(body), limit)
    return body


def read_in_pieces(request: Request, limit: int) -> bytes:
    """A body that may be large; others get their turn between its pieces.

    Raises RequestEntityTooLarge, or SlowBodyError where it does not arrive in time.
    """
    request.max_content_length = limit
    deadline = time.monotonic() + _DEADLINE_SECONDS
    pieces = []
    with time_limit(client_socket(request), _DEADLINE_SECONDS):
        while piece := _next_piece(request):
            pieces.append(piece)
            if time.monotonic() > deadline:
                raise SlowBodyError("The body did not arrive in time.")
            time.sleep(0)
    body = b"".join(pieces)
    _check_whole(request, len(body), limit)
    return body


def client_socket(request: Request) -> socket.socket | None:
    """The connection to the client, where the server tells it."""
    connection: socket.socket | None = request.environ.get("gunicorn.socket")
    return connection


@contextmanager
def time_limit(connection: socket.socket | None, seconds: float) -> Iterator[None]:
    """Makes reading from the connection fail after that long without a byte."""
    if connection is None:
        yield
        return
    before = connection.gettimeout()
    connection.settimeout(seconds)
    try:
        yield
    finally:
        connection.settimeout(before)


def is_gone(connection: socket.socket | None) -> bool:
    """Whether the client has closed its connection."""
    if connection is None:
        return False
    try:
        readable, _, _ = select.select([connection], [], [], 0)
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True


def _next_piece(request: Request) -> bytes:
    try:
        return request.stream.read(_PIECE_BYTES)
    except TimeoutError:
        raise SlowBodyError("The body did not arrive in time.") from None


def _check_whole(request: Request, received: int, limit: int) -> None:
    if request.content_length is None and received >= limit:
        # Without a declared length, the stream ends at the limit as if the body did.
        raise RequestEntityTooLarge
