"""Interruption by Ctrl-C or SIGTERM, and protection of steps that must not be cut short."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Turns Ctrl-C and SIGTERM into KeyboardInterrupt and remembers them. For the main thread.

    Python swallows an exception that is raised while a finalizer runs; `check` raises it again.
    """

    def __init__(self) -> None:
        self._requested = False

    def listen(self) -> None:
        """Install the handlers of both signals."""
        for number in _SIGNALS:
            signal.signal(number, self._interrupt)

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal has arrived, swallowed or not."""
        if self._requested:
            raise KeyboardInterrupt

    @contextmanager
    def held_off(self) -> Iterator[None]:
        """Check once more, then ignore both signals inside the block, which should be short."""
        self.check()
        before = {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._requested = True
        raise KeyboardInterrupt


def is_interruption(error: BaseException | None) -> bool:
    """Return whether an interrupt caused the error, directly or through another exception."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None
