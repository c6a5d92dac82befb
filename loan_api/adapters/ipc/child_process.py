"""A child process that ends with its parent and is restarted when it dies."""

import os
import subprocess
import sys
from collections.abc import Sequence
from time import monotonic

from loan_api.adapters.ipc.handover import Handover

# A child that dies immediately must not be restarted in a tight loop.
_PAUSE_SECONDS = 2.0


class ChildProcess:
    """`python -m MODULE`, which reads its standard input and ends at end of file.

    Like the workers, it reads `handover`, but it inherits only `descriptors`.
    """

    def __init__(self, module: str, handover: Handover | None = None, descriptors: Sequence[int] = ()) -> None:
        self._module = module
        self._handed_over = {} if handover is None else handover.as_environ()
        self._descriptors = tuple(descriptors)
        self._process: subprocess.Popen[bytes] | None = None
        self._started = float("-inf")

    @property
    def pid(self) -> int | None:
        """The process id, or None before the first start."""
        return None if self._process is None else self._process.pid

    def ensure_running(self) -> bool:
        """Start the process if it is not running. Return True if it was started."""
        if self._process is not None and self._process.poll() is None:
            return False
        if monotonic() - self._started < _PAUSE_SECONDS:
            return False
        self._started = monotonic()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module],
            stdin=subprocess.PIPE,
            env=os.environ | self._handed_over,
            pass_fds=self._descriptors,
            # Its own session, because Ctrl-C in a terminal is meant for the master.
            start_new_session=True,
        )
        return True

    def end(self) -> None:
        """Close its standard input, as the end of this process would, and wait until it has ended."""
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.wait()
