"""Waiting for the next request on a connection, which a stopping worker cuts short."""

from time import monotonic
from types import TracebackType
from typing import Any, Self

import gevent


class KeepAliveTimeout(gevent.Timeout):
    """A silent timeout for the next request on one connection; it is in `active` while it runs."""

    def __init__(self, seconds: float, active: set["KeepAliveTimeout"]) -> None:
        super().__init__(seconds, False)  # type: ignore[arg-type]  # documented: False makes it silent
        self.began = monotonic()
        self._active = active
        self._greenlet = gevent.getcurrent()

    def __enter__(self) -> Self:
        self._active.add(self)
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Any:
        self._active.discard(self)
        return super().__exit__(kind, error, traceback)

    def expire(self) -> None:
        """End the wait now."""
        self._active.discard(self)
        gevent.kill(self._greenlet, self)
