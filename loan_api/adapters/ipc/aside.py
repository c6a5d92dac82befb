"""What a gevent worker does beside its requests: where it holds them up least."""

import threading
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


def run_forever(function: Callable[[], None]) -> None:
    """Runs `function` in the background, for as long as the process lives."""
    threading.Thread(target=function, daemon=True).start()


def wait_until_idle(most_seconds: float) -> None:
    """Returns once gevent's loop has nothing else to do, after `most_seconds` at the latest; elsewhere at once."""
    from gevent import Timeout, idle, monkey

    if monkey.is_module_patched("threading"):
        with Timeout(most_seconds, False):  # type: ignore[arg-type]  # False is documented: silently
            idle()


def turns_of_the_loop() -> Callable[[], int | None]:
    """Tells the number of the turn that gevent's loop of this thread is in; None where there is no such loop."""
    from gevent import get_hub, monkey

    if not monkey.is_module_patched("threading"):
        return lambda: None
    loop = get_hub().loop
    return lambda: loop.iteration
