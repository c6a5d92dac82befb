"""gunicorn's gevent worker, made to be fair, to read large bodies quickly, and to stop without losing a request."""

from time import monotonic
from types import TracebackType
from typing import Any, Self

import gevent
import gevent.socket
from gunicorn.http.body import Body
from gunicorn.workers.ggevent import GeventWorker

from loan_api.connections import Connections, Turn

# A client that is at work sends its next request by then, and is told to close the connection with the answer.
_IDLE_SECONDS = 1.0
_LOOK_EVERY_SECONDS = 0.25
# Asked for at a time; more would make the C library map and unmap memory for each.
_RECEIVED_BYTES = 65_536


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
        self.sockets = [_Listener(listener, turn) for listener in self.sockets]

    def run(self) -> None:
        """Serves until it is told to stop."""
        self.connections.join(self.slot)
        gevent.spawn(self._close_idle_connections)
        super().run()

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
        req.body = _Body(req.body.reader)
        handled = super().handle_request(listener_name, req, sock, addr)
        gevent.sleep(0)
        return handled

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


class _Listener(gevent.socket.socket):
    """A listening socket that has nothing to accept while it is another worker's turn."""

    def __init__(self, listener: gevent.socket.socket, turn: Turn) -> None:
        super().__init__(listener.family, listener.type, listener.proto, fileno=listener.detach())
        self._turn = turn

    def _accept(self) -> Any:
        if not self._turn.has_come():
            raise BlockingIOError
        return super()._accept()  # type: ignore[misc]  # not in gevent's stubs


class _Body(Body):  # type: ignore[misc]  # gunicorn has no types
    """A request's body that is read in pieces as large as they are asked for; gunicorn's own takes a kilobyte each."""

    def read(self, size: int | None = None) -> bytes:
        """Up to `size` bytes; none at the end."""
        if self.buf.tell() or size is None or size < 0:
            everything: bytes = super().read(size)
            return everything
        piece: bytes = self.reader.read(size)
        return piece


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
