"""Messages over a stream socket: raw bytes, each behind its length."""

import select
import socket
import struct

_LENGTH = struct.Struct("!Q")
# What is smaller is cheaper to copy than to send by itself.
_SMALL_BYTES = 65_536


def send_message(connection: socket.socket, content: bytes) -> None:
    """Sends one. Raises OSError."""
    length = _LENGTH.pack(len(content))
    if len(content) < _SMALL_BYTES:
        connection.sendall(length + content)
    else:
        connection.sendall(length)
        connection.sendall(content)


def receive_message(connection: socket.socket) -> bytearray:
    """Waits for one. Raises ConnectionError where the other side hangs up, TimeoutError where it takes too long."""
    (length,) = _LENGTH.unpack(_receive_exactly(connection, _LENGTH.size))
    return _receive_exactly(connection, length)


def has_hung_up(connection: socket.socket) -> bool:
    """Return whether the peer has closed its side. Bytes that have arrived stay unread."""
    try:
        readable, _, _ = select.select([connection], [], [], 0)
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True


class Inbox:
    """What has arrived on a connection that must never be waited for, taken apart into messages."""

    def __init__(self) -> None:
        self._arrived = bytearray()

    def add(self, piece: bytes) -> None:
        """Takes the next bytes of the stream."""
        self._arrived += piece

    def messages(self) -> list[bytes]:
        """Those that are whole, in order; each is given out once."""
        whole = []
        start = 0
        while len(self._arrived) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._arrived, start)
            stop = start + _LENGTH.size + length
            if stop > len(self._arrived):
                break
            whole.append(bytes(memoryview(self._arrived)[start + _LENGTH.size : stop]))
            start = stop
        del self._arrived[:start]
        return whole


def _receive_exactly(connection: socket.socket, length: int) -> bytearray:
    content = bytearray(length)
    rest = memoryview(content)
    while rest:
        received = connection.recv_into(rest)
        if received == 0:
            raise ConnectionError("the other side has hung up")
        rest = rest[received:]
    return content
