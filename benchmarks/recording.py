"""What recording every decision costs: two services, one with and one without the decision log, asked in turn.

A pair of measurements is a matter of seconds, so that both find the machine in the same mood.
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from benchmarks.closed_loop import ClosedLoop
from benchmarks.own_process import done
from benchmarks.plan import COMPARED_CONNECTIONS, LARGEST_BATCH, Plan
from benchmarks.results import RecordingPair
from benchmarks.servers import Server, running
from benchmarks.throughput import Material, warm_up
from benchmarks.wrk import run_wrk

_BATCH_CONNECTIONS = 4
SINGLE, BATCH = "single requests/s", f"rows/s of batches of {LARGEST_BATCH:,}"


def measure_recording(on: Server, off: Server, material: Material, plan: Plan) -> list[RecordingPair]:
    """Pairs of rates with the log on and off, of single requests and of the largest batches."""
    with ExitStack() as stack:
        for server in (on, off):
            warm_up(stack.enter_context(running(server)), material, plan)
        measured = []
        for what, connections, rate in (
            (SINGLE, COMPARED_CONNECTIONS, partial(_singles_per_second, material, plan)),
            (BATCH, _BATCH_CONNECTIONS, partial(_rows_per_second, material, plan)),
        ):
            for number in range(plan.recording_pairs):
                rates = _in_turn(rate, on, off, swapped=number % 2 == 1)
                measured.append(RecordingPair(what, connections, *rates))
    return measured


def _in_turn(rate: Callable[[Server], float], on: Server, off: Server, *, swapped: bool) -> tuple[float, float]:
    """The two rates; each kind goes first in every other pair."""
    if swapped:
        without = rate(off)
        return rate(on), without
    return rate(on), rate(off)


def _singles_per_second(material: Material, plan: Plan, server: Server) -> float:
    bodies = material.single_bodies(server)
    return run_wrk(server.single_url, bodies, COMPARED_CONNECTIONS, plan.recording_seconds).per_second


def _rows_per_second(material: Material, plan: Plan, server: Server) -> float:
    requests = material.batch_requests(server, LARGEST_BATCH)
    load = ClosedLoop(server.port, requests, _BATCH_CONNECTIONS, plan.recording_seconds)
    return done(load.run).per_second * LARGEST_BATCH
