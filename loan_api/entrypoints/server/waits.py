"""Waits for the next request of a connection, which can be ended before their time."""

from time import monotonic
from types import TracebackType
from typing import Any, Self

import gevent


class Wait(gevent.Timeout):
    """A wait for the next request on one connection, which ends silently."""

    def __init__(self, seconds: float, waits: set["Wait"]) -> None:
        super().__init__(seconds, False)  # type: ignore[arg-type]  # False is documented: silently
        self.began = monotonic()
        self._waits = waits
        self._greenlet = gevent.getcurrent()

    def __enter__(self) -> Self:
        self._waits.add(self)
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> Any:
        self._waits.discard(self)
        return super().__exit__(kind, error, where)

    def end(self) -> None:
        """Ends it before its time."""
        self._waits.discard(self)
        gevent.kill(self._greenlet, self)
