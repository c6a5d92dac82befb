"""Start-up time, up to the first prediction."""

import shutil

from tools.benchmarks.home import Home
from tools.benchmarks.results import Start
from tools.benchmarks.servers import Server, running


def measure_starts(service: Server, other: Server, home: Home, times: int) -> list[Start]:
    """Measure the service without and with its model cache, and the other server, alternately."""
    measured = []
    for _ in range(times):
        shutil.rmtree(home.model_cache, ignore_errors=True)
        for server, is_cold in ((service, True), (service, False), (other, False)):
            with running(server) as live:
                measured.append(Start(server.name, is_cold, live.start_seconds))
    return measured
