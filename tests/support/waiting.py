"""Wait for conditions, never for a fixed time."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
    """Return as soon as `condition` holds; fail the test after `seconds`."""
    pause = 0.05
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(pause)
