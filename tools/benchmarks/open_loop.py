"""Open-loop load generator: requests follow a fixed schedule, regardless of earlier responses.

Latency is measured from the scheduled time, so that a stall counts for every request due during it (no coordinated
omission). This also includes the client's own delays, reported as its lag.
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
    """Results of a schedule, and the client's own lag (p99 in ms), which the latencies include."""

    answers: Tally
    lag_milliseconds: float


@dataclass(frozen=True)
class OpenLoop:
    """Send `rate` requests per second for `seconds` over `connections`, in rotation.

    Requests still unsent when the client's timeout has passed after the end of the schedule count as failed.
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
        # Idle connections, each with the time at which it became idle.
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
            # Without an idle connection, the next request waits for one.
            pause = schedule[0] - time.monotonic() if schedule and free else _LONGEST_PAUSE
            for connection, answer in busy.finished(pause):
                tally.add(answer, due[connection])
                free.append((answer.at, connection))
        for _, connection in free:
            connection.close()
        tally.seconds = time.monotonic() - began
        return OpenTally(tally, percentile(lags, 99) * 1000)
