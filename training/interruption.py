"""Interrupts: what one leaves behind, and what must not be cut in two by one."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Ctrl-C and SIGTERM as KeyboardInterrupt, and remembered.

    One that comes while Python runs a finaliser is swallowed there; `check` makes good for it. For the main thread.
    """

    def __init__(self) -> None:
        self._requested = False

    def listen(self) -> None:
        """From now on both signals interrupt."""
        for number in _SIGNALS:
            signal.signal(number, self._interrupt)

    def check(self) -> None:
        """Raises KeyboardInterrupt where there was an interrupt, swallowed or not."""
        if self._requested:
            raise KeyboardInterrupt

    @contextmanager
    def held_off(self) -> Iterator[None]:
        """Checks a last time; then neither signal has an effect inside the block, which is to be short."""
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
    """Whether an interrupt is behind the error: what is cut short in the middle may fail in a way of its own."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None
