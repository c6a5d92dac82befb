"""A connection that survives a restart of the recorder: unacknowledged records are sent again."""

import socket
from collections.abc import Callable
from time import monotonic

from loan_api.adapters.ipc.connection_queue import put
from loan_api.adapters.ipc.messages import Inbox, send_message
from loan_api.adapters.recording.protocol import Receipt, Records, decode_receipt, encode
from loan_api.errors import NotRecordedError

# A killed recorder is replaced within a second or two.
_PATIENCE_SECONDS = 10.0
_RECEIPT_BYTES = 4096


class RecorderConnection:
    """A connection for one thread or greenlet at a time. `on_loss` is called to replace a lost recorder."""

    def __init__(self, sending: socket.socket, on_loss: Callable[[], object] = lambda: None) -> None:
        self._sending = sending
        self._on_loss = on_loss
        self._socket: socket.socket | None = None

    def record(self, records: Records) -> Receipt:
        """Return once all records are stored. Raises NotRecordedError if that is uncertain.

        Sending again is safe: recording is idempotent by id.
        """
        payload = encode(records)
        deadline = monotonic() + _PATIENCE_SECONDS
        while monotonic() < deadline:
            try:
                connection = self._connected()
                send_message(connection, payload)
                receipt = decode_receipt(_next_message(connection))
            except OSError:
                self.close()
                self._on_loss()
                continue
            if receipt.refusal is not None:
                raise NotRecordedError(receipt.refusal)
            return receipt
        raise NotRecordedError("The decision could not be recorded in time.")

    def close(self) -> None:
        """Close the connection; the next record opens another."""
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _connected(self) -> socket.socket:
        if self._socket is None:
            ours, theirs = socket.socketpair()
            with theirs:
                put(self._sending, theirs)
            ours.settimeout(_PATIENCE_SECONDS)
            self._socket = ours
        return self._socket


def _next_message(connection: socket.socket) -> bytes:
    """Wait for the next message."""
    inbox = Inbox()
    while True:
        piece = connection.recv(_RECEIPT_BYTES)
        if not piece:
            raise ConnectionError("the recorder is gone")
        inbox.add(piece)
        for message in inbox.messages():
            return message
