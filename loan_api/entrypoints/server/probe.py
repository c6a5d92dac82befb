"""The health check of containers: exits with 0 if the service responds to a path with 200.

It runs every few seconds next to a busy service, so it is run as a file with `python -IS` and imports little. The image
sets PORT.
"""

import os
import socket
import sys

_TIMEOUT_SECONDS = 8


def probe(port: int, path: str) -> int:
    """Return 0 if the response for `path` is 200, otherwise 1."""
    try:
        with socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            # The status line arrives first, in one piece.
            return 0 if connection.recv(64).split(b" ")[1:2] == [b"200"] else 1
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(probe(int(os.environ["PORT"]), sys.argv[1]))
