"""Throughput of single requests and batches in a closed loop, and memory after the batches."""

from collections.abc import Sequence
from dataclasses import dataclass

from loan_api.credit.form import read_form
from loan_api.settings import SHIPPED_FORM
from tools.benchmarks.closed_loop import ClosedLoop
from tools.benchmarks.memory import weigh
from tools.benchmarks.own_process import done
from tools.benchmarks.plan import COMPARED_CONNECTIONS, LARGEST_BATCH, Plan
from tools.benchmarks.requests_made import Application, applications, post
from tools.benchmarks.results import Batch, Memory, Single
from tools.benchmarks.servers import (
    MLFLOW,
    Running,
    Server,
    check_batch,
    check_workers,
    running,
    with_the_body_of_the_service,
)
from tools.benchmarks.tally import Tally
from tools.benchmarks.wrk import run_wrk

_DIFFERENT_SINGLES = 500
_DIFFERENT_BATCHES = 2


@dataclass(frozen=True)
class Material:
    """The applications sent to every server."""

    singles: Sequence[Application]
    rows: Sequence[Application]

    @classmethod
    def make(cls) -> "Material":
        """Create a few hundred applications for single requests, and enough for distinct batches."""
        form = read_form(SHIPPED_FORM)
        rows = LARGEST_BATCH + _DIFFERENT_BATCHES
        return cls(applications(form, _DIFFERENT_SINGLES), applications(form, rows, seed=1))

    def single_bodies(self, server: Server) -> tuple[bytes, ...]:
        """Return the bodies of single requests to `server`."""
        return tuple(map(server.single, self.singles))

    def single_requests(self, server: Server) -> tuple[bytes, ...]:
        """Return complete requests with these bodies."""
        return tuple(post(server.single_path, body) for body in self.single_bodies(server))

    def batch_requests(self, server: Server, rows: int) -> tuple[bytes, ...]:
        """Return complete requests with batches of `rows`."""
        batches = [self.rows[first : first + rows] for first in range(_DIFFERENT_BATCHES)]
        return tuple(post(server.batch_path, server.batch(batch)) for batch in batches)


def warm_up(live: Running, material: Material, plan: Plan) -> None:
    """Load the server briefly, so that every worker has started and served requests."""
    requests = material.single_requests(live.server)
    done(ClosedLoop(live.server.port, requests, COMPARED_CONNECTIONS, plan.warm_up_seconds, reconnect_after=5).run)
    check_workers(live)


def measure_singles(server: Server, material: Material, plan: Plan, number: int) -> list[Single]:
    """Measure one round of single requests for every number of connections."""
    bodies = material.single_bodies(server)
    measured = []
    with running(server) as live:
        warm_up(live, material, plan)
        for connections in plan.single_connections:
            result = run_wrk(server.single_url, bodies, connections, plan.single_seconds)
            measured.append(
                Single(
                    number,
                    server.name,
                    connections,
                    result.per_second,
                    result.p50_milliseconds,
                    result.p99_milliseconds,
                    result.failed,
                )
            )
    return measured


def measure_batches(server: Server, material: Material, plan: Plan, number: int) -> tuple[list[Batch], Memory]:
    """Measure one round of batches for every size and number of connections, then the memory."""
    measured = []
    with running(server) as live:
        warm_up(live, material, plan)
        for rows, numbers_of_connections in plan.batch_connections.items():
            check_batch(server, material.rows[:rows])
            requests = material.batch_requests(server, rows)
            for connections in numbers_of_connections:
                load = ClosedLoop(server.port, requests, connections, plan.batch_seconds[rows])
                measured.append(_batch(number, server, rows, connections, done(load.run)))
        memory = Memory(number, server.name, weigh(live.pid))
        if server.name == MLFLOW:
            measured.append(_measure_same_body(server, material, plan, number))
    return measured, memory


def _measure_same_body(server: Server, material: Material, plan: Plan, number: int) -> Batch:
    """Measure the running mlflow on the largest batches with the request body of the service."""
    same = with_the_body_of_the_service(server)
    check_batch(same, material.rows[:LARGEST_BATCH])
    requests = material.batch_requests(same, LARGEST_BATCH)
    load = ClosedLoop(same.port, requests, COMPARED_CONNECTIONS, plan.same_body_seconds)
    return _batch(number, same, LARGEST_BATCH, COMPARED_CONNECTIONS, done(load.run))


def _batch(number: int, server: Server, rows: int, connections: int, tally: Tally) -> Batch:
    return Batch(
        number,
        server.name,
        rows,
        connections,
        tally.per_second * rows,
        tally.milliseconds(50),
        tally.milliseconds(99),
        tally.refused,
        tally.failed,
    )
