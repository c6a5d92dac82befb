"""Accepts connections when it is the worker's turn; requests wait for theirs, and no answer for ever."""

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

from loan_api.entrypoints.server.connections import Turn

# For an answer, or for each piece of one that is sent as it is made (a thousand rows).
_TAKING_SECONDS = 60.0
_HELD_BYTES = 65_536


class TurningSocket(gevent.socket.socket):
    """A connection from which nothing is taken before the loop has looked at all of them.

    gevent's own takes at once what has arrived. A client that always has its next request ready would be served until
    it pauses, or, made to step back after each, before or long after those that the loop has found meanwhile.
    """

    _held: bytearray | None = None

    def recv(self, *args: Any) -> bytes:
        """What has arrived by the time that the loop comes to this connection."""
        self._wait(self._read_event)  # type: ignore[attr-defined]  # as gevent's own does where nothing has arrived
        return super().recv(*args)

    def hold(self) -> None:
        """Has what is sent from now on go out together, by `let_go`: gunicorn sends head and body one by one."""
        self._held = bytearray()

    def let_go(self) -> None:
        """Sends what is held. Raises what `sendall` raises."""
        held, self._held = self._held, None
        if held:
            self.sendall(held)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Returns once all is on its way, or held. Raises BrokenPipeError where it is not taken in some time.

        gevent's own waits for ever, and the answer is kept; its timeout goes by the clock on the wall.
        """
        if self._held is not None:
            self._held += data
            if len(self._held) < _HELD_BYTES:
                return
            data, self._held = self._held, bytearray()
        sent = 0
        with suppress(BlockingIOError):
            # Most answers are on their way at once: they need no timer.
            sent = self._sock.send(data, flags)  # type: ignore[attr-defined]
        if sent < len(data):
            with gevent.Timeout(_TAKING_SECONDS, BrokenPipeError(errno.EPIPE, "the answer was not taken in time")):
                super().sendall(memoryview(data)[sent:], flags)

    def sendfile(self, *args: Any, **named: Any) -> Any:
        """Sends a file, after what is held."""
        self.let_go()
        return super().sendfile(*args, **named)


class TurningServer(StreamServer):
    """Accepts in turn with the other workers. Each connection is handled in a greenlet of the pool."""

    def __init__(self, listener: gevent.socket.socket, turn: Turn, handle: Callable[..., None], pool: Pool) -> None:
        super().__init__(listener, handle, spawn=pool)
        self._turn = turn

    def do_read(self) -> Any:
        """The connection that is to be accepted now, and who it comes from; None where there is none."""
        if not self._turn.has_come():
            return None
        accepted: Any = super().do_read()
        if accepted is None:
            self._turn.was_not_needed()
            return None
        self._turn.was_taken()
        connection, address = accepted
        return self._turning(connection.detach()), address

    def close(self) -> None:
        """Closes; but what is waiting to be accepted is accepted first, as closing would reset it."""
        waiting = []
        if hasattr(self, "socket"):
            self.stop_accepting()
            # gevent would close it in a later turn of its loop, and what came until then would be reset.
            listener = _socket.socket(fileno=self.socket.detach())
            with suppress(BlockingIOError):
                while True:
                    waiting.append(listener._accept())  # type: ignore[attr-defined]  # noqa: SLF001  # as gevent does
            listener.close()
        for descriptor, address in waiting:
            self.do_handle(self._turning(descriptor), address)
        super().close()

    def _turning(self, descriptor: int) -> TurningSocket:
        return TurningSocket(self.family, socket.SOCK_STREAM, fileno=descriptor)
