"""Latency of refusals with their reasons."""

import json

from tools.benchmarks.plan import Plan
from tools.benchmarks.results import Explained
from tools.benchmarks.servers import Server, ask, running
from tools.benchmarks.throughput import Material, warm_up
from tools.benchmarks.wrk import run_wrk


def measure_reasons(server: Server, material: Material, plan: Plan) -> list[Explained]:
    """Measure refused applications over one connection, without and with reasons in turn."""
    measured = []
    with running(server) as live:
        warm_up(live, material, plan)
        _, answer = ask(server, server.batch_path, server.batch(material.singles))
        decided = json.loads(answer)["predictions"]
        refused = [
            server.single(application)
            for application, row in zip(material.singles, decided, strict=True)
            if row["prediction"] == 0
        ]
        for number in range(plan.rounds):
            plain = run_wrk(server.single_url, refused, 1, plan.single_seconds)
            explained = run_wrk(f"{server.single_url}?reasons=true", refused, 1, plan.single_seconds)
            measured.append(
                Explained(
                    number,
                    plain.p50_milliseconds,
                    explained.p50_milliseconds,
                    explained.p99_milliseconds,
                    plain.failed + explained.failed,
                )
            )
    return measured
