"""Runs what takes long where it does not hold up the requests of a gevent worker."""

from collections.abc import Callable
from typing import TypeVar, cast

_T = TypeVar("_T")


def run_aside(function: Callable[[], _T]) -> _T:
    """What `function` returns or raises, run in a thread of the operating system where threads are greenlets.

    It must start no process: only the thread of gevent's loop can wait for one.
    """
    from gevent import get_hub, monkey

    if not monkey.is_module_patched("threading"):
        return function()

    def outcome() -> tuple[_T | None, Exception | None]:
        # Returned, as the pool would print what is raised.
        try:
            return function(), None
        except Exception as error:  # noqa: BLE001
            return None, error

    result, error = get_hub().threadpool.apply(outcome)
    if error is not None:
        raise error
    return cast(_T, result)
