"""Request bodies: read as they arrive, within a deadline, in chunks of bounded size."""

from time import monotonic
from typing import Any

import gevent
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import InvalidChunkSize, ParseException

from loan_api.errors import SlowBodyError

BODY_SECONDS = 30.0
# A chunk header may arrive in one piece with data; anything longer is not a chunk header.
_CHUNK_HEADER_BYTES = 65_536
_PIECE_BYTES = 65_536
# Enough for the largest batch by default; keeping the connection is not worth reading more.
_DISCARDED_BYTES = 16_777_216


class RequestBody(Body):  # type: ignore[misc]  # gunicorn has no types
    """A request body that must arrive within `seconds` and is passed on in pieces as it arrives.

    gunicorn's body waits forever, even for the end of a chunk header, reads a kilobyte at a time, and copies it several
    times. If the client waits for `100 Continue`, it is sent over `connection`, but only once the application starts
    to read: a refusal comes first, and is then the last response on the connection.
    """

    def __init__(self, request: Any, connection: Any = None, seconds: float = BODY_SECONDS) -> None:
        reader = request.body.reader
        if isinstance(reader, ChunkedReader):
            reader = _ChunkedReader(request, request.unreader)
        elif isinstance(reader, LengthReader):
            reader = _LengthReader(request.unreader, reader.length)
        super().__init__(reader)
        self._request = request
        self._is_over = False
        self._deadline = monotonic() + seconds
        self._held_back_by = connection
        if connection is not None:
            request.must_close = True

    @property
    def is_complete(self) -> bool:
        """True once the whole body was read."""
        return (
            self._is_over or getattr(self.reader, "length", None) == 0 or getattr(self.reader, "parser", True) is None
        )

    def read(self, size: int | None = None) -> bytes:
        """Return up to `size` bytes, or all that is left; empty at the end.

        Raises SlowBodyError, or OSError if the body is broken. Then the start of the next request is unknown, so the
        response is the last on its connection.
        """
        if self._is_over:
            return b""
        try:
            with gevent.Timeout(
                max(self._deadline - monotonic(), 0.001), SlowBodyError("The body did not arrive in time.")
            ):
                self._request_rest()
                return self._read(size)
        except ParseException:
            # gunicorn's error for headers, raised by trailers; readers of a body expect errors of the connection.
            self._request.must_close = True
            raise ConnectionError("the trailers of the body cannot be read") from None
        except (OSError, SlowBodyError):
            self._request.must_close = True
            raise

    def discard(self) -> None:
        """Read and discard the rest, so that the next request can follow.

        Raises StopIteration, which makes gunicorn close the connection, if the rest is broken, late or too large. An
        error would make gunicorn respond a second time and log the request.
        """
        discarded = 0
        try:
            while not self._request.must_close and (piece := self.read(_PIECE_BYTES)):
                discarded += len(piece)
                if discarded > _DISCARDED_BYTES:
                    raise StopIteration
        except (OSError, SlowBodyError):
            raise StopIteration from None

    def _request_rest(self) -> None:
        connection, self._held_back_by = self._held_back_by, None
        if connection is not None:
            connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._request.must_close = False

    def _read(self, size: int | None) -> bytes:
        if self.buf.tell() or size is None or size < 0:
            everything: bytes = super().read(size)
            return everything
        piece: bytes = self.reader.read(size)
        # Callers read once more to be sure.
        self._is_over = not piece and size > 0
        return piece


class _LengthReader(LengthReader):  # type: ignore[misc]
    """Returns the available data; gunicorn's own reader waits until it has the requested number of bytes."""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; empty at the end. Raises ConnectionError if it ends before its length."""
        size = min(size, self.length)
        if not size:
            return b""
        piece: bytes = self.unreader.read()
        if not piece:
            raise ConnectionError("the body ends before its length")
        taken, following = piece[:size], piece[size:]
        if following:
            self.unreader.unread(following)
        self.length -= len(taken)
        return taken


class _ChunkedReader(ChunkedReader):  # type: ignore[misc]
    """Limits the size of chunk headers and trailers."""

    def get_data(self, unreader: Any, buf: Any) -> None:
        """Read more of a chunk header or of the trailers."""
        if buf.tell() > _CHUNK_HEADER_BYTES:
            raise InvalidChunkSize(b"")
        super().get_data(unreader, buf)
