"""Paired comparison of two services, measured seconds apart so that both see the same machine conditions.

The pair is the service with and without its decision log or a policy, or this checkout and another one.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from tools.benchmarks.closed_loop import ClosedLoop
from tools.benchmarks.mixed import measure_round
from tools.benchmarks.own_process import done
from tools.benchmarks.plan import COMPARED_CONNECTIONS, LARGEST_BATCH, Plan
from tools.benchmarks.results import Pair
from tools.benchmarks.servers import Server, running
from tools.benchmarks.throughput import Material, warm_up
from tools.benchmarks.wrk import run_wrk

_BATCH_CONNECTIONS = 4
SINGLE, BATCH = "single requests/s", f"rows/s of batches of {LARGEST_BATCH:,}"
TAIL, START = "p99 ms of single requests under batches", "s from start to the first prediction"
LOG, POLICY = "the decision log", "a policy of ten rules"


@dataclass(frozen=True)
class _Load:
    connections: int
    measure: Callable[[Material, Plan, Server], float]
    is_time: bool = False


def measure_pairs(
    compared: str, this: Server, other: Server, loads: Sequence[str], material: Material, plan: Plan
) -> list[Pair]:
    """Measure both servers alternately under each load: `SINGLE`, `BATCH` or `TAIL`."""
    measured = []
    with ExitStack() as stack:
        for server in (this, other):
            warm_up(stack.enter_context(running(server)), material, plan)
        for what in loads:
            load = _LOADS[what]
            for number in range(plan.rounds if what == TAIL else plan.pairs):
                values = {server.port: load.measure(material, plan, server) for server in _in_turn(this, other, number)}
                pair = Pair(compared, what, load.connections, values[this.port], values[other.port], load.is_time)
                measured.append(pair)
    return measured


def measure_start_pairs(compared: str, this: Server, other: Server, plan: Plan) -> list[Pair]:
    """Measure the start-up time of both servers alternately."""
    measured = []
    for number in range(plan.starts):
        seconds = {}
        for server in _in_turn(this, other, number):
            with running(server) as live:
                seconds[server.port] = live.start_seconds
        measured.append(Pair(compared, START, 1, seconds[this.port], seconds[other.port], is_time=True))
    return measured


def _in_turn(this: Server, other: Server, number: int) -> tuple[Server, Server]:
    """Alternate which server is measured first."""
    return (this, other) if number % 2 == 0 else (other, this)


def _singles_per_second(material: Material, plan: Plan, server: Server) -> float:
    bodies = material.single_bodies(server)
    return run_wrk(server.single_url, bodies, COMPARED_CONNECTIONS, plan.pair_seconds).per_second


def _rows_per_second(material: Material, plan: Plan, server: Server) -> float:
    requests = material.batch_requests(server, LARGEST_BATCH)
    load = ClosedLoop(server.port, requests, _BATCH_CONNECTIONS, plan.pair_seconds)
    return done(load.run).per_second * LARGEST_BATCH


def _tail_milliseconds(material: Material, plan: Plan, server: Server) -> float:
    return measure_round(server, material, plan, 0).p99


_LOADS = {
    SINGLE: _Load(COMPARED_CONNECTIONS, _singles_per_second),
    BATCH: _Load(_BATCH_CONNECTIONS, _rows_per_second),
    TAIL: _Load(Plan.mixed_connections, _tail_milliseconds, is_time=True),
}
