"""Work in a separate process, so that clients do not delay each other and heavy imports stay out of this process."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Generic, TypeVar

T = TypeVar("T")
_PROCESSES = multiprocessing.get_context("spawn")


class Work(Generic[T]):
    """Running work."""

    def __init__(self, receiver: "Connection[T, T]") -> None:
        self._receiver = receiver

    def result(self) -> T:
        """Wait for the result. Raises RuntimeError if the process failed; its traceback is on the terminal."""
        try:
            return self._receiver.recv()
        except EOFError:
            raise RuntimeError("a process of the benchmark failed") from None


@contextmanager
def begun(work: Callable[[], T]) -> Iterator[Work[T]]:
    """Run the picklable `work` in its own process, which is terminated after the block."""
    receiver, sender = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=_report, args=(work, sender), daemon=True)
    process.start()
    sender.close()
    try:
        yield Work(receiver)
    finally:
        process.terminate()
        process.join()
        receiver.close()


def stop_signal() -> Event:
    """Return an event that tells running work to stop."""
    return _PROCESSES.Event()


def done(work: Callable[[], T]) -> T:
    """Run `work` in its own process and return the result."""
    with begun(work) as running:
        return running.result()


def _report(work: Callable[[], T], sender: "Connection[T, T]") -> None:
    # Ctrl-C reaches every process of the terminal; the parent terminates this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sender.send(work())
