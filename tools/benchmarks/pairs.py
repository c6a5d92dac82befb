"""What recording and counting cost: two services, one with and one without it, asked in turn.

A pair of measurements is a matter of seconds, so that both find the machine in the same mood.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from tools.benchmarks.closed_loop import ClosedLoop
from tools.benchmarks.own_process import done
from tools.benchmarks.plan import COMPARED_CONNECTIONS, LARGEST_BATCH, Plan
from tools.benchmarks.results import Pair
from tools.benchmarks.servers import Server, running
from tools.benchmarks.throughput import Material, warm_up
from tools.benchmarks.wrk import run_wrk

_BATCH_CONNECTIONS = 4
_Rate = Callable[[Material, Plan, Server], float]
SINGLE, BATCH = "single requests/s", f"rows/s of batches of {LARGEST_BATCH:,}"
LOG = "the decision log"


def measure_pairs(
    switched: str, on: Server, off: Server, loads: Sequence[str], material: Material, plan: Plan
) -> list[Pair]:
    """Pairs of rates with what is `switched` on and off, for each of the loads: `SINGLE`, `BATCH`."""
    rates: dict[str, tuple[int, _Rate]] = {
        SINGLE: (COMPARED_CONNECTIONS, _singles_per_second),
        BATCH: (_BATCH_CONNECTIONS, _rows_per_second),
    }
    with ExitStack() as stack:
        for server in (on, off):
            warm_up(stack.enter_context(running(server)), material, plan)
        measured = []
        for what in loads:
            connections, rate = rates[what]
            for number in range(plan.pairs):
                # Each kind goes first in every other pair.
                order = (on, off) if number % 2 == 0 else (off, on)
                seen = {server is on: rate(material, plan, server) for server in order}
                measured.append(Pair(switched, what, connections, seen[True], seen[False]))
    return measured


def _singles_per_second(material: Material, plan: Plan, server: Server) -> float:
    bodies = material.single_bodies(server)
    return run_wrk(server.single_url, bodies, COMPARED_CONNECTIONS, plan.pair_seconds).per_second


def _rows_per_second(material: Material, plan: Plan, server: Server) -> float:
    requests = material.batch_requests(server, LARGEST_BATCH)
    load = ClosedLoop(server.port, requests, _BATCH_CONNECTIONS, plan.pair_seconds)
    return done(load.run).per_second * LARGEST_BATCH
