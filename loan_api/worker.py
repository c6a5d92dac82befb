"""gunicorn's gevent worker, made to be fair, to read large bodies quickly, and to stop without losing a request."""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Any, Self

import gevent
import gevent.socket
from gevent._socket3 import _wrefsocket  # type: ignore[import-not-found]
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import InvalidChunkSize
from gunicorn.workers.ggevent import GeventWorker

from loan_api.connections import Connections, Turn
from loan_api.credit.errors import SlowBodyError
from loan_api.malformed import answer_to

# A client that is at work sends its next request by then, and is told to close the connection with the answer.
_IDLE_SECONDS = 1.0
_LOOK_EVERY_SECONDS = 0.25
# Asked for at a time; more would make the C library map and unmap memory for each.
_RECEIVED_BYTES = 65_536
_BODY_SECONDS = 30.0
# A chunk's head may already be in a piece of the size above; what is longer still is none.
_CHUNK_HEAD_BYTES = 65_536
# For connections that were accepted when the worker stopped; the others are waited for before.
_LAST_SECONDS = 10.0


class LoanWorker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """Once it is to stop, it answers what still comes on open connections and closes those on which nothing comes.

    gunicorn's own waits for idle connections until `graceful_timeout` is over.
    """

    # Set between the fork and the start.
    slot: int
    connections: Connections
    sockets: list[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waits: set[_Wait] = set()

    def patch(self) -> None:
        """Makes the listening sockets gevent's, and polite."""
        super().patch()
        turn = Turn(self.connections, self.slot)
        self.sockets = [_Listener(listener, turn, self.handle) for listener in self.sockets]

    def run(self) -> None:
        """Serves until it is told to stop."""
        self.connections.join(self.slot)
        gevent.spawn(self._close_idle_connections)
        super().run()
        with gevent.Timeout(_LAST_SECONDS, False):  # type: ignore[arg-type]  # False is documented: silently
            for listener in self.sockets:
                while listener.last:
                    listener.last.pop(0).join()

    def timeout_ctx(self) -> "_Wait":
        """What gunicorn waits for the next request of a connection in."""
        return _Wait(self.cfg.keepalive, self._waits)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serves one connection to its end."""
        self.connections.opened(self.slot)
        try:
            super().handle(listener, client, addr)
        finally:
            self.connections.closed(self.slot)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        """Answers one request, then lets the other connections have their turn.

        A client that always has its next request ready would otherwise be served until it pauses.
        """
        req.unreader.mxchunk = _RECEIVED_BYTES
        req.body = _Body(req)
        handled = super().handle_request(listener_name, req, sock, addr)
        gevent.sleep(0)
        return handled

    def handle_error(self, _req: Any, client: Any, _address: Any, error: BaseException) -> None:
        """Answers what is no HTTP request, and what went wrong outside of the application."""
        with suppress(OSError):
            client.sendall(answer_to(error, self.log))

    def _close_idle_connections(self) -> None:
        while self.alive:
            gevent.sleep(_LOOK_EVERY_SECONDS)
        self.connections.leave(self.slot)
        stopping = monotonic()
        while True:
            now = monotonic()
            for wait in list(self._waits):
                if now - max(wait.began, stopping) > _IDLE_SECONDS:
                    wait.end()
            gevent.sleep(_LOOK_EVERY_SECONDS)


class _ListeningSocket(_wrefsocket):  # type: ignore[misc]  # what gevent's servers accept from
    """A listening socket that has nothing to accept while it is another worker's turn."""

    turn: Turn
    serve: Callable[[Any, Any], None]

    def _accept(self) -> Any:
        if not self.turn.has_come():
            raise BlockingIOError
        return super()._accept()

    def close(self) -> None:
        """Closes; but what is waiting to be accepted is accepted first, as closing would reset it."""
        if self.fileno() >= 0:
            with suppress(OSError):
                while True:
                    self.serve(*super()._accept())
        super().close()


class _Listener(gevent.socket.socket):
    """A listening socket of gevent around one of these; `serve` takes a descriptor and an address."""

    _gevent_sock_class = _ListeningSocket

    def __init__(self, listener: gevent.socket.socket, turn: Turn, serve: Callable[[Any, Any, Any], None]) -> None:
        super().__init__(listener.family, listener.type, listener.proto, fileno=listener.detach())
        self._name = super().getsockname()
        self.last: list[gevent.Greenlet[..., Any]] = []
        self._sock.turn = turn  # type: ignore[attr-defined]
        self._sock.serve = self._serve_last  # type: ignore[attr-defined]
        self._serve = serve

    def getsockname(self) -> Any:
        """Where it listens, or has listened: a connection that was accepted last asks after it is closed."""
        return self._name

    def _serve_last(self, descriptor: int, address: Any) -> None:
        client = gevent.socket.socket(fileno=descriptor)
        self.last.append(gevent.spawn(self._serve, self, client, address))


class _Body(Body):  # type: ignore[misc]  # gunicorn has no types
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
        self._deadline = monotonic() + _BODY_SECONDS

    def read(self, size: int | None = None) -> bytes:
        """Up to `size` bytes, or all of them; none at the end. Raises SlowBodyError."""
        with gevent.Timeout(
            max(self._deadline - monotonic(), 0.001), SlowBodyError("The body did not arrive in time.")
        ):
            if self.buf.tell() or size is None or size < 0:
                everything: bytes = super().read(size)
                return everything
            piece: bytes = self.reader.read(size)
            return piece


class _LengthReader(LengthReader):  # type: ignore[misc]
    """Hands on what has come; gunicorn's own puts it together until it is as much as was asked for."""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        size = min(size, self.length)
        piece: bytes = self.unreader.read() if size else b""
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


class _Wait(gevent.Timeout):
    """A wait for the next request on one connection, which ends silently."""

    def __init__(self, seconds: float, waits: set["_Wait"]) -> None:
        super().__init__(seconds, False)  # type: ignore[arg-type]  # False is documented: silently
        self.began = monotonic()
        self._waits = waits
        self._greenlet = gevent.getcurrent()

    def __enter__(self) -> Self:
        self._waits.add(self)
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> Any:
        self._waits.discard(self)
        return super().__exit__(kind, error, where)

    def end(self) -> None:
        """Ends it before its time."""
        self._waits.discard(self)
        gevent.kill(self._greenlet, self)
