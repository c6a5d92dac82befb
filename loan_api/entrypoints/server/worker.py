"""gunicorn's gevent worker, made to be fair, to read large bodies quickly, and to stop without losing a request."""

from contextlib import suppress
from time import monotonic
from typing import Any

import gevent
from gevent.pool import Pool
from gunicorn.workers.ggevent import GeventWorker

from loan_api.adapters.ipc.aside import turns_of_the_loop
from loan_api.entrypoints.server.arriving_body import ArrivingBody
from loan_api.entrypoints.server.connections import Connections, Turn
from loan_api.entrypoints.server.malformed import answer_to
from loan_api.entrypoints.server.server import TurningServer
from loan_api.entrypoints.server.waits import Wait

# A client that is at work sends its next request by then, and is told to close the connection with the answer.
_IDLE_SECONDS = 1.0
_LOOK_EVERY_SECONDS = 0.25
# Asked for at a time; more would make the C library map and unmap memory for each.
_RECEIVED_BYTES = 65_536


class LoanWorker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """Accepts in turn with the others, and serves each connection in turn.

    Once it is to stop, it answers what still comes on open connections and closes those on which nothing comes;
    gunicorn's own waits for idle connections until `graceful_timeout` is over.
    """

    # Set between the fork and the start.
    slot: int
    connections: Connections
    sockets: list[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waits: set[Wait] = set()

    def run(self) -> None:
        """Serves until it is told to stop.

        gunicorn's own has a server accept one connection in each turn of the loop, however long that lasts.
        """
        self.connections.join(self.slot)
        turn = Turn(self.connections, self.slot, turns_of_the_loop())
        pool = Pool(self.worker_connections)
        servers = [TurningServer(listener, turn, self._serve, pool) for listener in self.sockets]
        for server in servers:
            server.start()
        while self.alive:
            self.notify()
            gevent.sleep(_LOOK_EVERY_SECONDS)
        gevent.spawn(self._close_idle_connections)
        self.connections.leave(self.slot)
        for server in servers:
            server.close()
        self._finish(pool)

    def _serve(self, client: Any, address: Any) -> None:
        try:
            # What is asked of the listener is its name, which it has no more once it is closed.
            self.handle(client, client, address)
        finally:
            self.connections.closed(self.slot)

    def _finish(self, pool: Pool) -> None:
        deadline = monotonic() + self.cfg.graceful_timeout
        while not pool.join(timeout=_LOOK_EVERY_SECONDS):
            self.notify()
            if monotonic() > deadline:
                self.log.warning("Worker graceful timeout (pid:%s)", self.pid)
                pool.kill(timeout=_LOOK_EVERY_SECONDS)
                return

    def timeout_ctx(self) -> Wait:
        """What gunicorn waits for the next request of a connection in."""
        return Wait(self.cfg.keepalive, self._waits)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        """Answers one request. Raises StopIteration, or an error of the connection's, where it was the last one."""
        req.unreader.mxchunk = _RECEIVED_BYTES
        req.body = ArrivingBody(req)
        sock.hold()
        try:
            handled = super().handle_request(listener_name, req, sock, addr)
        finally:
            sock.let_go()
        req.body.pass_over()
        return handled

    def handle_error(self, _req: Any, client: Any, _address: Any, error: BaseException) -> None:
        """Answers what is no HTTP request, and what went wrong outside of the application."""
        with suppress(OSError):
            client.sendall(answer_to(error, self.log))

    def _close_idle_connections(self) -> None:
        stopping = monotonic()
        while True:
            now = monotonic()
            for wait in list(self._waits):
                if now - max(wait.began, stopping) > _IDLE_SECONDS:
                    wait.end()
            gevent.sleep(_LOOK_EVERY_SECONDS)
