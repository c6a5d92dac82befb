"""Background work in a gevent worker that delays requests as little as possible."""

import threading
from collections.abc import Callable
from typing import TypeVar, cast

_T = TypeVar("_T")


def run_in_thread(function: Callable[[], _T]) -> _T:
    """Run `function`, in a native thread if the process uses gevent, and pass on its result or exception.

    It must not start a process, because only the thread of gevent's loop can wait for one.
    """
    from gevent import get_hub, monkey

    if not monkey.is_module_patched("threading"):
        return function()

    def outcome() -> tuple[_T | None, Exception | None]:
        # The pool would print an exception, so it is returned.
        try:
            return function(), None
        except Exception as error:  # noqa: BLE001
            return None, error

    result, error = get_hub().threadpool.apply(outcome)
    if error is not None:
        raise error
    return cast(_T, result)


def run_forever(function: Callable[[], None]) -> None:
    """Run `function` in the background until the process ends."""
    threading.Thread(target=function, daemon=True).start()


def wait_until_idle(max_seconds: float) -> None:
    """Wait until gevent's loop is idle, or `max_seconds` have passed. Without gevent, return immediately."""
    from gevent import Timeout, idle, monkey

    if monkey.is_module_patched("threading"):
        with Timeout(max_seconds, False):  # type: ignore[arg-type]  # documented: False makes it silent
            idle()


def loop_iteration() -> Callable[[], int | None]:
    """Return a function for the number of the current iteration of gevent's loop; without gevent it returns None."""
    from gevent import get_hub, monkey

    if not monkey.is_module_patched("threading"):
        return lambda: None
    loop = get_hub().loop
    return lambda: loop.iteration
