"""Lightweight keep-alive connections for a single-threaded load generator.

Requests are sent whole and responses returned once complete. Connections wait in `select`, whose timeout has
microsecond resolution (epoll's has milliseconds); there are never more than a few dozen.
"""

import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

TIMEOUT_SECONDS = 60.0
_CHUNK = 1 << 18
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_VERSION_KEY = b'"model_version":'


@dataclass(frozen=True, slots=True)
class Answer:
    """A response and the time of its completion (monotonic seconds).

    `status` is 0 if there was no response; `problem` then says why. `retry_after` is in seconds, if the server sent it.
    """

    at: float
    status: int
    problem: str = ""
    retry_after: float | None = None
    model_version: str | None = None

    @property
    def is_success(self) -> bool:
        """Return whether the request succeeded."""
        return 200 <= self.status < 300  # noqa: PLR2004

    @property
    def is_refusal(self) -> bool:
        """Return whether a busy server asked the client to retry later."""
        return self.status in (429, 503) and self.retry_after is not None


class Connection:
    """A connection to a local server, opened on demand and reopened after it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._unsent = memoryview(b"")
        self._received = bytearray()
        self._expected: int | None = None
        self._head_end = 0
        self.started = 0.0

    def open(self) -> None:
        """Connect, unless already connected."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setblocking(False)

    def fileno(self) -> int:
        """Return the file descriptor, for `select`."""
        return self._connected.fileno()

    def close(self) -> None:
        """Close the connection; the next request reopens it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionError("not connected")
        return self._socket

    @property
    def is_sending(self) -> bool:
        """Return whether a part of the request is still unsent."""
        return bool(self._unsent)

    def start(self, request: bytes) -> None:
        """Start sending a request. Raises OSError if the connection cannot be opened."""
        self.started = time.monotonic()
        self._unsent = memoryview(request)
        self._received.clear()
        self._expected = None
        self.open()
        self.send()

    def send(self) -> None:
        """Send as much as the socket accepts. If the server has stopped reading, `receive` returns its answer."""
        try:
            while self._unsent:
                self._unsent = self._unsent[self._connected.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = memoryview(b"")

    def receive(self) -> Answer | None:
        """Receive data and return the answer once it is complete. Raises OSError if the connection ends first."""
        with suppress(BlockingIOError):
            while arrived := self._connected.recv(_CHUNK):
                self._received += arrived
                if len(arrived) < _CHUNK:
                    break
            if not arrived:
                raise ConnectionError("closed by the server")
        if self._expected is None:
            self._head_end = self._received.find(b"\r\n\r\n")
            if self._head_end < 0:
                return None
            length = _LENGTH.search(self._received, 0, self._head_end)
            if length is None:
                raise ConnectionError("an answer without Content-Length")
            self._expected = self._head_end + 4 + int(length[1])
        if len(self._received) < self._expected:
            return None
        return self._whole_answer()

    def _whole_answer(self) -> Answer:
        head = bytes(self._received[: self._head_end])
        if self._unsent or _CLOSE.search(head):
            # After an early response, the server would parse the unsent rest as the next request.
            self._unsent = memoryview(b"")
            self.close()
        retry_after = _RETRY_AFTER.search(head)
        return Answer(
            time.monotonic(),
            status=int(head[9:12]),
            retry_after=float(retry_after[1]) if retry_after else None,
            model_version=self._model_version(),
        )

    def _model_version(self) -> str | None:
        key = self._received.rfind(_VERSION_KEY)
        if key < 0:
            return None
        opening = self._received.find(b'"', key + len(_VERSION_KEY))
        return self._received[opening + 1 : self._received.find(b'"', opening + 1)].decode()


class Connections:
    """The connections with a request in flight."""

    def __init__(self) -> None:
        self._busy: set[Connection] = set()
        self._failed: list[tuple[Connection, Answer]] = []

    def __bool__(self) -> bool:
        return bool(self._busy or self._failed)

    def start(self, connection: Connection, request: bytes) -> None:
        """Send a request; `finished` reports its success or failure."""
        try:
            connection.start(request)
            self._busy.add(connection)
        except OSError as error:
            self._fail(connection, type(error).__name__)

    def finished(self, seconds: float) -> Iterator[tuple[Connection, Answer]]:
        """Wait for data, at most `seconds`, and yield each request that has finished."""
        sending = [connection for connection in self._busy if connection.is_sending]
        pause = 0.0 if self._failed else max(seconds, 0.0)
        readable, writable, _ = select.select(self._busy, sending, (), pause)
        for connection in writable:
            connection.send()
        for connection in readable:
            try:
                answer = connection.receive()
            except OSError as error:
                self._fail(connection, type(error).__name__)
                continue
            if answer is not None:
                self._busy.remove(connection)
                yield connection, answer
        if not readable:
            self._fail_overdue()
        failed, self._failed = self._failed, []
        yield from failed

    def _fail(self, connection: Connection, problem: str) -> None:
        connection.close()
        self._busy.discard(connection)
        self._failed.append((connection, Answer(time.monotonic(), 0, problem)))

    def _fail_overdue(self) -> None:
        latest = time.monotonic() - TIMEOUT_SECONDS
        for connection in [connection for connection in self._busy if connection.started < latest]:
            self._fail(connection, "timeout")
