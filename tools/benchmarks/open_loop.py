"""Open-loop load: requests are due on a fixed schedule, whatever became of those before.

Latency counts from when a request was due, so that a server that stalls is charged for all who would have waited, and
so are the moments when this client itself was late (told as its lag).
"""

import time
from collections import deque
from dataclasses import dataclass
from itertools import cycle

from tools.benchmarks.http_client import TIMEOUT_SECONDS, Connection, Connections
from tools.benchmarks.tally import Tally, percentile

_LONGEST_PAUSE = 0.5


@dataclass
class OpenTally:
    """What came of the schedule, and how late (ms, p99) this client itself was; the latencies contain it."""

    answers: Tally
    lag_milliseconds: float


@dataclass(frozen=True)
class OpenLoop:
    """`rate` requests a second for `seconds` over `connections`, taken in turn.

    What could not be sent within the client's timeout after the last one was due counts as failed.
    """

    port: int
    requests: tuple[bytes, ...]
    rate: int
    seconds: float
    connections: int

    def run(self) -> OpenTally:
        """Generate the load in this thread."""
        tally = Tally()
        lags = []
        requests = cycle(self.requests)
        busy = Connections()
        began = time.monotonic()
        schedule = deque(began + number / self.rate for number in range(int(self.rate * self.seconds)))
        latest = began + self.seconds + TIMEOUT_SECONDS
        # Each with the time since when it is free.
        free = deque((began, Connection(self.port)) for _ in range(self.connections))
        due: dict[Connection, float] = {}
        while schedule or busy:
            while schedule and free and schedule[0] <= time.monotonic():
                free_since, connection = free.popleft()
                due[connection] = schedule.popleft()
                busy.start(connection, next(requests))
                lags.append(connection.started - max(due[connection], free_since))
            if time.monotonic() > latest:
                tally.failures["never sent"] += len(schedule)
                schedule.clear()
            # Without a free connection the next request waits for one.
            pause = schedule[0] - time.monotonic() if schedule and free else _LONGEST_PAUSE
            for connection, answer in busy.finished(pause):
                tally.add(answer, due[connection])
                free.append((answer.at, connection))
        for _, connection in free:
            connection.close()
        tally.seconds = time.monotonic() - began
        return OpenTally(tally, percentile(lags, 99) * 1000)
