"""Reads a request's body: of an accepted media type, and no larger than allowed."""

import time
from collections.abc import Callable, Collection, Sequence

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from loan_api.adapters.ipc.messages import has_hung_up

_JSON = "application/json"
_PIECE_BYTES = 65_536


def media_type(request: Request, accepted: Collection[str]) -> str:
    """The body's media type, any kind of JSON as application/json. Raises UnsupportedMediaType."""
    if request.headers.get("Content-Encoding", "").lower() not in {"", "identity"} or _is_coded(request):
        raise UnsupportedMediaType("The body must be sent as it is, not compressed.")
    given = _JSON if request.is_json else request.mimetype
    if given not in accepted:
        raise UnsupportedMediaType(f"The body must be sent as {' or '.join(accepted)}.")
    return given


def _is_coded(request: Request) -> bool:
    """Whether it is compressed on its way, which gunicorn passes over."""
    return request.headers.get("Transfer-Encoding", "chunked").lower() != "chunked"


def read_at_once(request: Request, limit: int) -> bytes:
    """A small body. Raises RequestEntityTooLarge."""
    _limit(request, limit)
    body = request.get_data(cache=False)
    _check_whole(len(body), limit)
    return body


def read_in_pieces(request: Request, limit: int, received: Callable[[int], None]) -> Sequence[bytes]:
    """A body that may be large, as it comes; `received` is told of each piece, and others get their turn between them.

    Raises RequestEntityTooLarge, or what `received` raises.
    """
    _limit(request, limit)
    pieces: list[bytes] = []
    while piece := request.stream.read(_PIECE_BYTES):
        received(len(piece))
        if pieces and len(pieces[-1]) + len(piece) <= _PIECE_BYTES:
            # Of many small ones, each would take more memory than it counts.
            pieces[-1] += piece
        else:
            pieces.append(piece)
        time.sleep(0)
    _check_whole(sum(map(len, pieces)), limit)
    return pieces


def has_client_gone(request: Request) -> Callable[[], bool]:
    """Return a check for whether the client has closed its connection. Only gunicorn reveals the connection."""
    connection = request.environ.get("gunicorn.socket")
    return lambda: connection is not None and has_hung_up(connection)


def _limit(request: Request, limit: int) -> None:
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    # The stream refuses what comes after it, without looking whether anything does.
    request.max_content_length = limit + 1


def _check_whole(received: int, limit: int) -> None:
    if received > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> RequestEntityTooLarge:
    return RequestEntityTooLarge(f"The body is larger than {limit} bytes, which is the most that is accepted.")
