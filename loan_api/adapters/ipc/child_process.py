"""A child process that ends with its parent, and is started again when it dies."""

import subprocess
import sys
from collections.abc import Sequence
from socket import socket
from time import monotonic

# A child that dies at once is not started again at once.
_PAUSE_SECONDS = 2.0


class ChildProcess:
    """`python -m MODULE DESCRIPTOR …`, run beside this process. It reads its standard input and ends when that does.

    It gets the descriptors of what is in `handed_over`: sockets, or descriptors themselves.
    """

    def __init__(self, module: str, handed_over: Sequence[socket | int] = ()) -> None:
        self._handed_over = tuple(handed_over)
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._started = float("-inf")

    @property
    def pid(self) -> int | None:
        """Its process id, once it was started."""
        return None if self._process is None else self._process.pid

    def ensure_running(self) -> bool:
        """Starts it where it does not run; whether that was done."""
        if self._process is not None and self._process.poll() is None:
            return False
        if monotonic() - self._started < _PAUSE_SECONDS:
            return False
        self._started = monotonic()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        # In a session of its own, as Ctrl-C is meant for the master; the child ends when its parent does.
        descriptors = [each if isinstance(each, int) else each.fileno() for each in self._handed_over]
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module, *map(str, descriptors)],
            stdin=subprocess.PIPE,
            pass_fds=descriptors,
            start_new_session=True,
        )
        return True

    def end(self) -> None:
        """Ends it as the end of this process would, and waits for that."""
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.wait()
