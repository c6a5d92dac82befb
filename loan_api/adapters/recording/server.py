"""The recorder's side of its connections: one transaction for all records that have arrived, then all receipts."""

import select
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

from loan_api.adapters.ipc.connection_queue import take
from loan_api.adapters.ipc.messages import Inbox, send_message
from loan_api.adapters.recording.protocol import Receipt, encode

_PIECE_BYTES = 65_536
# A receipt is small; a client that does not accept it in this time is gone.
_ANSWER_SECONDS = 5.0


class RecorderServer:
    """A server of the connections that arrive through `receiving`.

    Records that arrive during a transaction go into the next one together. The descriptor `lifeline` reaches its end
    when gunicorn's master ends; the server then records until the last worker hangs up.
    """

    def __init__(self, receiving: socket.socket, lifeline: int, record: Callable[[Sequence[bytes]], Receipt]) -> None:
        self._receiving = receiving
        self._lifeline = lifeline
        self._record = record
        self._inboxes: dict[socket.socket, Inbox] = {}

    def serve(self) -> None:
        """Serve until the master and all clients are gone."""
        watched: list[socket.socket | int] = [self._receiving, self._lifeline]
        while self._inboxes or len(watched) > 1:
            readable, _, _ = select.select([*watched, *self._inboxes], [], [])
            if self._lifeline in readable:
                watched.remove(self._lifeline)
            if self._receiving in readable:
                self._accept()
            self._serve_ready([each for each in readable if each in self._inboxes])

    def _accept(self) -> None:
        while (connection := take(self._receiving)) is not None:
            connection.setblocking(False)
            self._inboxes[connection] = Inbox()

    def _serve_ready(self, connections: Sequence[socket.socket]) -> None:
        asked = [(connection, payload) for connection in connections for payload in self._arrived(connection)]
        if asked:
            receipt = encode(self._record([payload for _, payload in asked]))
            for connection, _ in asked:
                self._answer(connection, receipt)

    def _arrived(self, connection: socket.socket) -> list[bytes]:
        inbox = self._inboxes[connection]
        with suppress(BlockingIOError):
            try:
                while piece := connection.recv(_PIECE_BYTES):
                    inbox.add(piece)
                    if len(piece) < _PIECE_BYTES:
                        break
                else:
                    self._drop(connection)
            except ConnectionError:
                self._drop(connection)
        return inbox.messages()

    def _answer(self, connection: socket.socket, receipt: bytes) -> None:
        if connection not in self._inboxes:
            return
        try:
            connection.settimeout(_ANSWER_SECONDS)
            send_message(connection, receipt)
            connection.setblocking(False)
        except OSError:
            self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        self._inboxes.pop(connection, None)
        connection.close()
