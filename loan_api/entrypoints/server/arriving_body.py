"""Bodies of requests: read as they arrive, within a time, in chunks of a sensible length."""

from time import monotonic
from typing import Any

import gevent
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import InvalidChunkSize, ParseException

from loan_api.errors import SlowBodyError

_BODY_SECONDS = 30.0
# A chunk's head may already be in what was received at a time; what is longer still is none.
_CHUNK_HEAD_BYTES = 65_536
_PASSED_OVER_BYTES = 65_536


class ArrivingBody(Body):  # type: ignore[misc]  # gunicorn has no types
    """A request's body that arrives within a time, in the pieces that it comes in.

    gunicorn's own waits for ever, takes a kilobyte at a time, copies it several times, and looks for the end of a
    chunk's head for ever.
    """

    def __init__(self, request: Any) -> None:
        reader = request.body.reader
        if isinstance(reader, ChunkedReader):
            reader = _ChunkedReader(request, request.unreader)
        elif isinstance(reader, LengthReader):
            reader = _LengthReader(request.unreader, reader.length)
        super().__init__(reader)
        self._request = request
        self._is_over = False
        self._deadline = monotonic() + _BODY_SECONDS

    def read(self, size: int | None = None) -> bytes:
        """Up to `size` bytes, or all of them; none at the end. Raises SlowBodyError, or OSError where it is broken.

        After either, nobody knows where the next request would begin: the answer is the last on its connection.
        """
        if self._is_over:
            return b""
        try:
            with gevent.Timeout(
                max(self._deadline - monotonic(), 0.001), SlowBodyError("The body did not arrive in time.")
            ):
                return self._read(size)
        except ParseException:
            # That is for heads, and trailers look like one. Whoever reads a body expects errors of the connection.
            self._request.must_close = True
            raise ConnectionError("the trailers of the body cannot be read") from None
        except (OSError, SlowBodyError):
            self._request.must_close = True
            raise

    def pass_over(self) -> None:
        """Takes what nobody has read of it. Raises StopIteration, which ends a connection, where there is no end to it.

        gunicorn's own would take that for a defect: it would answer once more, and log what was sent.
        """
        try:
            while not self._request.must_close and self.read(_PASSED_OVER_BYTES):
                pass
        except (OSError, SlowBodyError):
            raise StopIteration from None

    def _read(self, size: int | None) -> bytes:
        if self.buf.tell() or size is None or size < 0:
            everything: bytes = super().read(size)
            return everything
        piece: bytes = self.reader.read(size)
        # It is asked once more by whoever wants to be sure.
        self._is_over = not piece and size > 0
        return piece


class _LengthReader(LengthReader):  # type: ignore[misc]
    """Hands on what has come; gunicorn's own puts it together until it is as much as was asked for."""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end. Raises ConnectionError where it ends before its length."""
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
    """Reads chunks whose heads, and the trailers after them, are of a sensible length."""

    def get_data(self, unreader: Any, buf: Any) -> None:
        """More of a chunk's head or of the trailers."""
        if buf.tell() > _CHUNK_HEAD_BYTES:
            raise InvalidChunkSize(b"")
        super().get_data(unreader, buf)
