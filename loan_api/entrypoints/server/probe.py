"""The health check of containers: exits 0 while the service answers 200 at the path that is given.

Run by its path with `python -IS`, and with no import but these: it starts again and again beside a service at work. The
image sets PORT.
"""

import os
import socket
import sys

_TIMEOUT_SECONDS = 8


def probe(port: int, path: str) -> int:
    """0 where `path` is answered with 200, else 1."""
    try:
        with socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            # The status line comes in one piece, and first.
            return 0 if connection.recv(64).split(b" ")[1:2] == [b"200"] else 1
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(probe(int(os.environ["PORT"]), sys.argv[1]))
