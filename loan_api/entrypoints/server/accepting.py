"""The worker's sockets: connections are accepted in turn with other workers and served in turn with each other."""

import _socket
import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
import gevent.socket
from gevent.pool import Pool
from gevent.server import StreamServer

from loan_api.entrypoints.server.accept_turns import AcceptTurns

# For a response, or for each piece (a thousand rows) of a streamed one.
SEND_SECONDS = 60.0
_CORKED_BYTES = 65_536
# Time and bytes for which a client may go on sending after the final response.
LINGER_SECONDS = 10.0
_LINGER_IDLE_SECONDS = 3.0
_LINGER_BYTES = 67_108_864
_PIECE_BYTES = 65_536


class ClientSocket(gevent.socket.socket):
    """A connection that is read only after the event loop has polled all connections.

    gevent's socket returns available data immediately. A client whose next request is always ready would then be
    served until it pauses, ahead of clients that the loop has found in the meantime.
    """

    send_seconds = SEND_SECONDS
    _corked: bytearray | None = None

    def recv(self, *args: Any) -> bytes:
        """Return the data available when the loop reaches this connection."""
        self._wait(self._read_event)  # type: ignore[attr-defined]  # as gevent's own does if nothing has arrived
        return super().recv(*args)

    def cork(self) -> None:
        """Buffer outgoing data until `uncork`, because gunicorn sends headers and body separately."""
        self._corked = bytearray()

    def uncork(self) -> None:
        """Send the buffered data. Raises as `sendall` does."""
        corked, self._corked = self._corked, None
        if corked:
            self.sendall(corked)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send or buffer `data`. Raises BrokenPipeError if the client does not take it in time.

        gevent's version waits forever, and its timeout follows the wall clock.
        """
        if self._corked is not None:
            self._corked += data
            if len(self._corked) < _CORKED_BYTES:
                return
            data, self._corked = self._corked, bytearray()
        sent = 0
        with suppress(BlockingIOError):
            # Most responses fit into the send buffer and need no timer.
            sent = self._sock.send(data, flags)  # type: ignore[attr-defined]
        if sent < len(data):
            with gevent.Timeout(self.send_seconds, BrokenPipeError(errno.EPIPE, "the response was not taken in time")):
                super().sendall(memoryview(data)[sent:], flags)

    def sendfile(self, *args: Any, **named: Any) -> Any:
        """Send a file after the buffered data."""
        self.uncork()
        return super().sendfile(*args, **named)

    def linger(self, seconds: float = LINGER_SECONDS, most_bytes: int = _LINGER_BYTES) -> None:
        """Half-close the connection, then discard further data from the client, up to limits of time and bytes.

        Closing with unread data would reset the connection, and a reset discards the response before a client that is
        still sending can read it.
        """
        with suppress(OSError), gevent.Timeout(seconds, False):  # type: ignore[arg-type]  # documented: silent
            self.shutdown(socket.SHUT_WR)
            while most_bytes > 0:
                with gevent.Timeout(_LINGER_IDLE_SECONDS, ConnectionError("the client is idle")):
                    piece = self.recv(_PIECE_BYTES)
                if not piece:
                    return
                most_bytes -= len(piece)


class FairServer(StreamServer):
    """Accepts in turn with the other workers and handles each connection in a greenlet of `pool`."""

    def __init__(
        self, listener: gevent.socket.socket, turns: AcceptTurns, handle: Callable[..., None], pool: Pool
    ) -> None:
        super().__init__(listener, handle, spawn=pool)
        self._turns = turns

    def do_read(self) -> Any:
        """Return the next connection and its peer's address; None if nobody waits, or another worker should accept."""
        if not self._turns.should_accept():
            return None
        accepted: Any = super().do_read()
        if accepted is None:
            self._turns.nothing_waiting()
            return None
        self._turns.accepted()
        connection, address = accepted
        return self._client_socket(connection.detach()), address

    def close(self) -> None:
        """Accept the waiting connections, which closing would reset; then close."""
        waiting = []
        if hasattr(self, "socket"):
            self.stop_accepting()
            # gevent would close it in a later iteration of its loop and reset connections that arrive until then.
            listener = _socket.socket(fileno=self.socket.detach())
            with suppress(BlockingIOError):
                while True:
                    waiting.append(listener._accept())  # type: ignore[attr-defined]  # noqa: SLF001  # as gevent does
            listener.close()
        for descriptor, address in waiting:
            self.do_handle(self._client_socket(descriptor), address)
        super().close()

    def _client_socket(self, descriptor: int) -> ClientSocket:
        return ClientSocket(self.family, socket.SOCK_STREAM, fileno=descriptor)
