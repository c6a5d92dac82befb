"""A connection to the recorder that outlives it: what was not acknowledged is sent again to the next one."""

import socket
from collections.abc import Callable
from time import monotonic

from loan_api.adapters.ipc.connection_queue import put
from loan_api.adapters.ipc.messages import Inbox, send_message
from loan_api.adapters.recording.protocol import Receipt, Records, decode_receipt, encode
from loan_api.errors import NotRecordedError

# A recorder that was killed is back within a second or two.
_PATIENCE_SECONDS = 10.0
_RECEIPT_BYTES = 4096


class RecorderConnection:
    """For one thread or greenlet at a time. `on_loss` is called where the recorder is not there, to see to another."""

    def __init__(self, sending: socket.socket, on_loss: Callable[[], object] = lambda: None) -> None:
        self._sending = sending
        self._on_loss = on_loss
        self._socket: socket.socket | None = None

    def record(self, records: Records) -> Receipt:
        """Returns once all of it is recorded. Raises NotRecordedError where that is not certain.

        Sending again is safe: an id that is recorded already is not recorded twice.
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
        """Hangs up; the next record connects again."""
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
    """Waits for the one message that is to come."""
    inbox = Inbox()
    while True:
        piece = connection.recv(_RECEIPT_BYTES)
        if not piece:
            raise ConnectionError("the recorder is gone")
        inbox.add(piece)
        for message in inbox.messages():
            return message
