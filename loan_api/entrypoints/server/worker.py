"""gunicorn's gevent worker, extended to share load fairly, read large bodies fast, and stop without losing requests.

`accept_turns` decides which worker accepts a connection, `accepting` holds its sockets, `request_body` reads bodies,
`keep_alive` waits for the next request, and `malformed` responds to requests that no view can handle.
"""

import gc
from contextlib import suppress
from time import monotonic
from typing import Any

import gevent
from gevent.pool import Pool
from gunicorn.workers.ggevent import GeventWorker

from loan_api.adapters.ipc.background import loop_iteration
from loan_api.entrypoints.server.accept_turns import AcceptTurns, ConnectionCounts
from loan_api.entrypoints.server.accepting import FairServer
from loan_api.entrypoints.server.keep_alive import KeepAliveTimeout
from loan_api.entrypoints.server.malformed import response_to
from loan_api.entrypoints.server.request_body import RequestBody

# A busy client sends its next request within this time, and learns from the response that the connection closes.
_IDLE_SECONDS = 1.0
_POLL_SECONDS = 0.25
# Larger reads would make the C library map and unmap memory each time.
_RECEIVE_BYTES = 65_536


class LoanWorker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """Accepts connections in turn with other workers and serves its connections in turn.

    A stopping worker still responds on open connections and closes idle ones; gunicorn's worker waits for idle
    connections until `graceful_timeout`.
    """

    # Set between the fork and the start.
    slot: int
    connections: ConnectionCounts
    sockets: list[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._keep_alive_timeouts: set[KeepAliveTimeout] = set()

    def run(self) -> None:
        """Serve until stopped.

        gunicorn's worker accepts one connection per iteration of the event loop, however long that takes.
        """
        # Exempt library objects from full collections, which stall every request while they scan.
        gc.freeze()
        self.connections.join(self.slot)
        turns = AcceptTurns(self.connections, self.slot, loop_iteration())
        pool = Pool(self.worker_connections)
        servers = [FairServer(listener, turns, self._serve, pool) for listener in self.sockets]
        for server in servers:
            server.start()
        while self.alive:
            self.notify()
            gevent.sleep(_POLL_SECONDS)
        gevent.spawn(self._close_idle_connections)
        self.connections.leave(self.slot)
        for server in servers:
            server.close()
        self._finish(pool)

    def _serve(self, client: Any, address: Any) -> None:
        try:
            # gunicorn only needs the listener's name, which is unavailable after close and the same as the client's.
            self.handle(client, client, address)
        finally:
            self.connections.closed(self.slot)

    def _finish(self, pool: Pool) -> None:
        deadline = monotonic() + self.cfg.graceful_timeout
        while not pool.join(timeout=_POLL_SECONDS):
            self.notify()
            if monotonic() > deadline:
                self.log.warning("Worker graceful timeout (pid:%s)", self.pid)
                pool.kill(timeout=_POLL_SECONDS)
                return

    def timeout_ctx(self) -> KeepAliveTimeout:
        """Return the context in which gunicorn waits for the next request on a connection."""
        return KeepAliveTimeout(self.cfg.keepalive, self._keep_alive_timeouts)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        """Respond to one request. Raises StopIteration or OSError if it was the last on its connection."""
        req.unreader.mxchunk = _RECEIVE_BYTES
        # gunicorn would ask for the body before the application has looked at the headers.
        is_held_back, req._expected_100_continue = req._expected_100_continue, False  # noqa: SLF001
        req.body = RequestBody(req, sock if is_held_back else None)
        sock.cork()
        try:
            try:
                handled = super().handle_request(listener_name, req, sock, addr)
            finally:
                sock.uncork()
            req.body.discard()
        except StopIteration:
            if not req.body.is_complete:
                sock.linger()
            raise
        return handled

    def handle_error(self, _req: Any, client: Any, _address: Any, error: BaseException) -> None:
        """Respond to malformed requests and to errors outside of the application."""
        with suppress(OSError):
            client.sendall(response_to(error, self.log))
            client.linger()

    def _close_idle_connections(self) -> None:
        stopping = monotonic()
        while True:
            now = monotonic()
            for timeout in list(self._keep_alive_timeouts):
                if now - max(timeout.began, stopping) > _IDLE_SECONDS:
                    timeout.expire()
            gevent.sleep(_POLL_SECONDS)
