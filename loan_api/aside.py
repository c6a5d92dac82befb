"""Runs what takes long where it does not hold up the requests of a gevent worker."""

from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def run_aside(function: Callable[[], _T]) -> _T:
    """What `function` returns, run in a thread of the operating system where threads are greenlets."""
    from gevent import get_hub, monkey

    if not monkey.is_module_patched("threading"):
        return function()
    result: _T = get_hub().threadpool.apply(function)
    return result
