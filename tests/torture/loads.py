"""Loads for capacity, soak and overload, each in its own process."""

import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.support.forms import SHIPPED
from tools.benchmarks.closed_loop import ClosedLoop
from tools.benchmarks.open_loop import OpenLoop
from tools.benchmarks.own_process import begun, done
from tools.benchmarks.processes import tree
from tools.benchmarks.requests_made import applications, post, service_batch, service_single
from tools.benchmarks.tally import Tally

SINGLES = tuple(post("/predict", service_single(each)) for each in applications(SHIPPED, 200))
BATCHES = (post("/predict/batch", service_batch(applications(SHIPPED, 1000))),)
_BATCH_CONNECTIONS = 4


def with_batches(port: int, singles: OpenLoop | ClosedLoop, batches_per_second: int) -> tuple[Tally, Tally]:
    """Run single requests and, for as long, scheduled batches; return both tallies."""
    batches = OpenLoop(port, BATCHES, batches_per_second, singles.seconds, _BATCH_CONNECTIONS)
    with begun(batches.run) as beside, begun(partial(_tally_of, singles)) as load:
        return load.result(), beside.result().answers


def _tally_of(load: OpenLoop | ClosedLoop) -> Tally:
    return load.run().answers if isinstance(load, OpenLoop) else load.run()


def capacity(port: int, connections: int, seconds: float, batches_per_second: int = 0) -> float:
    """Return single requests per second in a closed loop alongside batches, after a second of warm-up."""
    warm_up = ClosedLoop(port, SINGLES, connections, 1.0)
    done(warm_up.run)
    load = ClosedLoop(port, SINGLES, connections, seconds)
    if not batches_per_second:
        return done(load.run).per_second
    return with_batches(port, load, batches_per_second)[0].per_second


def seconds_until_prompt(port: int, limit: float, answers: int = 20) -> float:
    """Return the seconds until `answers` consecutive requests each took at most `limit` seconds."""
    began = since = time.monotonic()
    in_a_row = 0
    while in_a_row < answers:
        tally = ClosedLoop(port, SINGLES[:1], 1, 0.001).run()
        prompt = bool(tally.latencies) and max(tally.latencies) <= limit
        if not prompt:
            since = time.monotonic()
        in_a_row = in_a_row + 1 if prompt else 0
        assert time.monotonic() < began + 60, "it did not recover within a minute"
    return since - began


def weight(pid: int) -> int:
    """Return the memory of a process and its descendants, in bytes."""
    total = 0
    for process in tree(pid):
        with suppress(OSError):
            total += process.pss_bytes()
    return total


def open_files(pid: int) -> int:
    """Return the number of open file descriptors of a process and its descendants."""
    total = 0
    for process in tree(pid):
        with suppress(OSError):
            total += len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
    return total
