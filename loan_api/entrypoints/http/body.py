"""Request bodies: media type, size limits and reading."""

import time
from collections.abc import Callable, Collection, Sequence

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from loan_api.adapters.ipc.messages import has_hung_up

_JSON = "application/json"
_PIECE_BYTES = 65_536


def media_type(request: Request, accepted: Collection[str]) -> str:
    """Return the media type of the body, with every JSON type as application/json.

    Raises UnsupportedMediaType if the type is not in `accepted` or the body is compressed.
    """
    # gunicorn ignores transfer codings other than chunked.
    coding = request.headers.get("Content-Encoding", "").lower()
    if coding not in {"", "identity"} or request.headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
        raise UnsupportedMediaType("The body must not be compressed.")
    given = _JSON if request.is_json else request.mimetype
    if given not in accepted:
        raise UnsupportedMediaType(f"The body must be sent as {' or '.join(accepted)}.")
    return given


def read_json(request: Request, limit: int) -> bytes:
    """Read a small JSON body. Raises UnsupportedMediaType, or RequestEntityTooLarge above `limit` bytes."""
    media_type(request, (_JSON,))
    _limit(request, limit)
    body = request.get_data(cache=False)
    _check_whole(len(body), limit)
    return body


def read_in_pieces(request: Request, limit: int, received: Callable[[int], None]) -> Sequence[bytes]:
    """Read a body that may be large, yielding to other requests between pieces.

    `received` is called with the size of each piece, and may raise an exception to stop reading. Raises
    RequestEntityTooLarge above `limit` bytes.
    """
    _limit(request, limit)
    pieces: list[bytes] = []
    while piece := request.stream.read(_PIECE_BYTES):
        received(len(piece))
        if pieces and len(pieces[-1]) + len(piece) <= _PIECE_BYTES:
            # Merge small pieces, whose overhead in memory would exceed their size.
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
    # werkzeug's stream raises at its limit even if the body ends there, so allow one more byte.
    request.max_content_length = limit + 1


def _check_whole(received: int, limit: int) -> None:
    if received > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> RequestEntityTooLarge:
    return RequestEntityTooLarge(f"The body exceeds the limit of {limit} bytes.")
