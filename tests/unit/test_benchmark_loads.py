"""The benchmark's clients classify every response correctly and include a server's delays in latencies."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count

from tests.support.waiting import wait_until
from tools.benchmarks.closed_loop import ClosedLoop
from tools.benchmarks.open_loop import OpenLoop
from tools.benchmarks.requests_made import post
from tools.benchmarks.tally import percentile

REQUEST = post("/predict", b"{}")
BODY = b'{"model_version":"1.0.0"}'


def answer(status: str = "200 OK", head: str = "", body: bytes = BODY) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body


@contextmanager
def server(respond: Callable[[int], bytes]) -> Iterator[int]:
    """Run a server that sends `respond(n)` for the nth request (from 0), or disconnects if that is empty."""
    numbers = count()

    def talk(connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            while connection.recv(1 << 16):
                answer = respond(next(numbers))
                if not answer:
                    return
                connection.sendall(answer)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_answers_are_counted_with_their_version() -> None:
    with server(lambda _: answer()) as port:
        tally = ClosedLoop(port, (REQUEST,), connections=2, seconds=0.1, reconnect_after=3).run()
    assert len(tally.latencies) == tally.versions["1.0.0"].count > 0
    assert (tally.failed, tally.refused) == (0, 0)
    assert tally.per_second > 0


def test_a_refused_request_comes_again_when_it_was_asked_to() -> None:
    with server(lambda n: answer() if n else answer("503 Busy", "Retry-After: 1\r\n")) as port:
        tally = ClosedLoop(port, (REQUEST,), connections=1, seconds=1.1).run()
    assert (tally.refused, tally.failed) == (1, 0)
    assert tally.latencies


def test_a_refused_request_does_not_prolong_the_load() -> None:
    with server(lambda _: answer("503 Busy", "Retry-After: 30\r\n")) as port:
        tally = ClosedLoop(port, (REQUEST,), connections=1, seconds=0.1).run()
    assert tally.refused == 1


def test_failures_are_counted_by_status_or_problem() -> None:
    answers = {0: answer("500 Oops"), 1: answer("503 No reason"), 2: b""}
    with server(lambda n: answers.get(n, answer())) as port:
        tally = ClosedLoop(port, (REQUEST,), connections=1, seconds=0.3).run()
    assert tally.failures == {"500": 1, "503": 1, "ConnectionError": 1}
    assert tally.latencies, "it goes on after failures"


def test_a_connection_that_the_server_closes_properly_is_no_failure() -> None:
    with server(lambda _: answer(head="Connection: close\r\n")) as port:
        tally = ClosedLoop(port, (REQUEST,), connections=1, seconds=0.1).run()
    assert tally.failed == 0
    assert len(tally.latencies) > 1


def test_an_early_answer_to_a_long_request_is_taken() -> None:
    with server(lambda _: answer("413 Too large")) as port:
        tally = ClosedLoop(port, (post("/predict/batch", b" " * 5_000_000),), connections=1, seconds=0.05).run()
    assert set(tally.failures) == {"413"}


def test_latency_counts_from_when_a_request_was_due() -> None:
    began = time.monotonic()

    def stall_once(number: int) -> bytes:
        if number == 0:
            wait_until(lambda: time.monotonic() > began + 0.3, "every request to be due")
        return answer()

    with server(stall_once) as port:
        result = OpenLoop(port, (REQUEST,), rate=50, seconds=0.2, connections=1).run()
    latencies = sorted(result.answers.latencies)
    assert len(latencies) == 10
    # The last one was due at 0.18 s and waited for the first one's end.
    assert latencies[0] > 0.1
    assert result.lag_milliseconds < 100


def test_percentile_of_few_values() -> None:
    assert percentile([3.0], 99) == 3.0
    assert percentile([1.0, 2.0, 3.0], 50) == 2.0
    assert percentile([], 50) != percentile([], 50), "not a number"
