"""Promotion and rollback under full load: failed requests, and the time until every worker has switched."""

import time
from collections.abc import Callable
from contextlib import ExitStack

from loan_api.settings import read_settings
from tools.benchmarks.closed_loop import ClosedLoop
from tools.benchmarks.home import Home
from tools.benchmarks.own_process import begun, stop_signal
from tools.benchmarks.plan import COMPARED_CONNECTIONS, LARGEST_BATCH, Plan
from tools.benchmarks.results import Move
from tools.benchmarks.servers import Server, running
from tools.benchmarks.tally import Tally
from tools.benchmarks.throughput import Material, warm_up

_LOAD_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 600.0
_RECONNECT_AFTER = 100
# Polls to wait after a change: one more than a worker may need.
_POLLS = 3


def measure_moves(server: Server, home: Home, material: Material, plan: Plan) -> list[Move]:
    """Promote the second version over the first, then roll back."""
    (_, first), (_, second), *_ = home.events()
    with running(server) as live:
        warm_up(live, material, plan)
        return [
            _measure(server, home, material, "promotion", lambda: home.promote(second), (first, second)),
            _measure(server, home, material, "rollback", home.rollback, (second, first)),
        ]


def _measure(
    server: Server,
    home: Home,
    material: Material,
    action: str,
    move: Callable[[], None],
    versions: tuple[str, str],
) -> Move:
    poll_seconds = read_settings(home.environ()).model_poll_seconds
    stop = stop_signal()
    singles = material.single_requests(server)
    batches = material.batch_requests(server, LARGEST_BATCH)
    loads = (
        ClosedLoop(server.port, singles, COMPARED_CONNECTIONS, _LONGEST_SECONDS, _RECONNECT_AFTER, stop),
        ClosedLoop(server.port, batches, 1, _LONGEST_SECONDS, stop=stop),
    )
    with ExitStack() as clients:
        under_way = [clients.enter_context(begun(load.run)) for load in loads]
        time.sleep(_LOAD_FIRST_SECONDS)
        move()
        time.sleep(_POLLS * poll_seconds)
        stop.set()
        ended = time.monotonic()
        tallies = [work.result() for work in under_way]
    moved_at = home.events()[-1][0] + time.monotonic() - time.time()
    before, after = versions
    seconds = max(seconds_until_followed(tally, before, after, moved_at, ended) for tally in tallies)
    named = {version for tally in tallies for version in tally.versions}
    return Move(
        action,
        answers=sum(len(tally.latencies) for tally in tallies),
        failed=sum(tally.failed for tally in tallies),
        refused=sum(tally.refused for tally in tallies),
        seconds=seconds,
        polls=seconds / poll_seconds,
        strangers=tuple(sorted(named - {before, after})),
    )


def seconds_until_followed(tally: Tally, before: str, after: str, moved_at: float, ended: float) -> float:
    """Return the time from `moved_at` to the last answer by `before`; infinite if it is in the load's last tenth."""
    if after not in tally.versions:
        return float("inf")
    if before not in tally.versions:
        return 0.0
    last = tally.versions[before].last
    return float("inf") if last > moved_at + 0.9 * (ended - moved_at) else max(last - moved_at, 0.0)
