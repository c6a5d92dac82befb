"""Closed-loop load generator: every connection sends its next request as soon as it has received a response.

Used for batches and whenever responses must be parsed. wrk is cheaper, but it ignores `Retry-After` and discards
requests in flight at the end, which distorts the result if a response takes a second.
"""

import heapq
import time
from dataclasses import dataclass
from itertools import count, cycle
from multiprocessing.synchronize import Event

from tools.benchmarks.http_client import Answer, Connection, Connections
from tools.benchmarks.tally import Tally

_LONGEST_PAUSE = 0.5
_AFTER_A_FAILURE = 0.05


@dataclass(frozen=True)
class ClosedLoop:
    """Send `requests` in rotation over `connections` for `seconds`, then wait for the requests in flight.

    Refused requests are retried after the requested delay. A connection is reopened after `reconnect_after` requests,
    so that it may reach another worker; 0 keeps it open. Setting `stop` ends the load early.
    """

    port: int
    requests: tuple[bytes, ...]
    connections: int
    seconds: float
    reconnect_after: int = 0
    stop: Event | None = None

    def run(self) -> Tally:
        """Generate the load in this thread."""
        return _Run(self).to_its_end()


class _Run:
    def __init__(self, load: ClosedLoop) -> None:
        self._load = load
        self._requests = cycle(load.requests)
        self._busy = Connections()
        self._tally = Tally()
        self._connections = [Connection(load.port) for _ in range(load.connections)]
        self._sent = dict.fromkeys(self._connections, 0)
        # Entries are (due time, tie-breaker, connection).
        self._waiting: list[tuple[float, int, Connection]] = []
        self._ties = count()

    def to_its_end(self) -> Tally:
        began = ended = time.monotonic()
        deadline = began + self._load.seconds
        for connection in self._connections:
            self._send(connection)
        while self._busy or self._waiting:
            now = time.monotonic()
            if self._load.stop is not None and self._load.stop.is_set():
                deadline = now
            if now >= deadline:
                self._waiting.clear()
                if not self._busy:
                    break
            while self._waiting and self._waiting[0][0] <= now:
                self._send(heapq.heappop(self._waiting)[2])
            next_due = self._waiting[0][0] if self._waiting else now + _LONGEST_PAUSE
            for connection, answer in self._busy.finished(min(next_due - now, _LONGEST_PAUSE)):
                ended = answer.at
                self._tally.add(answer, connection.started)
                if answer.at < deadline:
                    self._go_on(connection, answer)
        for connection in self._connections:
            connection.close()
        self._tally.seconds = ended - began
        return self._tally

    def _send(self, connection: Connection) -> None:
        self._sent[connection] += 1
        self._busy.start(connection, next(self._requests))

    def _go_on(self, connection: Connection, answer: Answer) -> None:
        if self._load.reconnect_after and self._sent[connection] % self._load.reconnect_after == 0:
            connection.close()
        pause = (answer.retry_after or 0.0) if answer.is_refusal else 0.0 if answer.status else _AFTER_A_FAILURE
        if pause:
            heapq.heappush(self._waiting, (answer.at + pause, next(self._ties), connection))
        else:
            self._send(connection)
