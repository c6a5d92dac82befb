"""Length-prefixed messages of raw bytes over a stream socket."""

import select
import socket
import struct

_LENGTH = struct.Struct("!Q")
# Copying less than this is cheaper than a second system call.
_SMALL_BYTES = 65_536


def send_message(connection: socket.socket, content: bytes) -> None:
    """Send one message. Raises OSError."""
    length = _LENGTH.pack(len(content))
    if len(content) < _SMALL_BYTES:
        connection.sendall(length + content)
    else:
        connection.sendall(length)
        connection.sendall(content)


def receive_message(connection: socket.socket) -> bytearray:
    """Wait for one message. Raises ConnectionError if the peer hangs up, TimeoutError if the socket's timeout ends."""
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
    """Splits the bytes from a non-blocking connection into messages."""

    def __init__(self) -> None:
        self._arrived = bytearray()

    def add(self, piece: bytes) -> None:
        """Append the next bytes of the stream."""
        self._arrived += piece

    def messages(self) -> list[bytes]:
        """Remove and return the complete messages, in order."""
        complete = []
        start = 0
        while len(self._arrived) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._arrived, start)
            stop = start + _LENGTH.size + length
            if stop > len(self._arrived):
                break
            complete.append(bytes(memoryview(self._arrived)[start + _LENGTH.size : stop]))
            start = stop
        del self._arrived[:start]
        return complete


def _receive_exactly(connection: socket.socket, length: int) -> bytearray:
    content = bytearray(length)
    rest = memoryview(content)
    while rest:
        received = connection.recv_into(rest)
        if received == 0:
            raise ConnectionError("the other side has hung up")
        rest = rest[received:]
    return content
