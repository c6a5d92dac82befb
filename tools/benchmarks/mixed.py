"""Single requests on a fixed schedule while clients post the largest batches without pause."""

import time

from tools.benchmarks.closed_loop import ClosedLoop
from tools.benchmarks.open_loop import OpenLoop
from tools.benchmarks.own_process import begun, done, stop_signal
from tools.benchmarks.plan import LARGEST_BATCH, Plan
from tools.benchmarks.results import Mixed
from tools.benchmarks.servers import Server, running
from tools.benchmarks.throughput import Material, warm_up

_BATCHES_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 600.0


def measure_mixed(server: Server, material: Material, plan: Plan) -> list[Mixed]:
    """Measure every round on one start of the server."""
    with running(server) as live:
        warm_up(live, material, plan)
        return [measure_round(server, material, plan, number) for number in range(plan.rounds)]


def measure_round(server: Server, material: Material, plan: Plan, number: int) -> Mixed:
    """Measure one round on a running server. A refused single request counts as failed."""
    batches = material.batch_requests(server, LARGEST_BATCH)
    singles = material.single_requests(server)
    stop = stop_signal()
    background = ClosedLoop(server.port, batches, plan.mixed_batch_clients, _LONGEST_SECONDS, stop=stop)
    schedule = OpenLoop(server.port, singles, plan.mixed_rate, plan.mixed_seconds, plan.mixed_connections)
    with begun(background.run) as batch_load:
        time.sleep(_BATCHES_FIRST_SECONDS)
        scheduled = done(schedule.run)
        stop.set()
        tally = batch_load.result()
    answers = scheduled.answers
    return Mixed(
        number,
        plan.mixed_rate,
        len(answers.latencies),
        answers.milliseconds(50),
        answers.milliseconds(99),
        max(answers.latencies, default=float("nan")) * 1000,
        answers.failed + answers.refused,
        scheduled.lag_milliseconds,
        tally.per_second * LARGEST_BATCH,
        tally.refused,
        tally.failed,
    )
