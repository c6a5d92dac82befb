"""Check that a service is unharmed by an attack."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from loan_api.entrypoints.processes.batch_process import memory_limit
from loan_api.settings import read_settings
from tests.fuzz.seeds import bodies
from tests.support.applications import application
from tests.support.hostile_requests import CANARY
from tests.support.patient_client import PatientClient
from tests.support.service import WORKERS, ClosedService, Service
from tests.support.waiting import wait_until
from tools.benchmarks.processes import Process, tree

# The master, the follower and the recorder; each worker has a batch process, which it starts after some seconds.
_PROCESSES = 3 + 2 * WORKERS
# Permitted memory growth relative to one valid batch of each format. A batch process may temporarily use as much as its
# memory limit, but must release it.
_MOST_GROWTH_MEGABYTES = 80


@dataclass
class Harm:
    """The largest growth of a process's memory in megabytes, available after the attack."""

    growth: str = ""


@contextmanager
def unharmed(closed: ClosedService) -> Iterator[Harm]:
    """Check after the block that the same processes decide as before, have not grown, and logged no values."""
    service = closed.service
    wait_until(lambda: len(_processes(service)) == _PROCESSES, "all processes to run")
    _decide_in_every_format(closed)
    before = _decision(closed)
    processes, logged = _processes(service), service.log.stat().st_size
    memory = list(map(_Memory.of, processes))
    harm = Harm()
    yield harm
    assert _decision(closed) == before
    assert _processes(service) == processes
    most = memory_limit(read_settings({"LOAN_HOME": str(service.home)})) // 1_000_000
    grown = []
    for process, start in zip(processes, memory, strict=True):
        end = _Memory.of(process)
        if process.kind.endswith("batch_process"):
            assert end.peak - start.resident < most, process
            grown.append((start.resident, end.resident, process.kind))
        else:
            grown.append((start.peak, end.peak, process.kind))
    before_attack, after, kind = max(grown, key=lambda each: each[1] - each[0])
    assert after - before_attack < _MOST_GROWTH_MEGABYTES, grown
    harm.growth = f"{kind.rpartition('.')[2]}: {before_attack} → {after}"
    log = service.log.read_bytes()[logged:]
    assert CANARY.encode() not in log
    assert b"Traceback" not in log
    assert not [line for line in log.splitlines() if line.startswith(b"{") and json.loads(line)["level"] == "ERROR"]


def _processes(service: Service) -> list[Process]:
    """Return all processes except the announcement, which ends by itself."""
    found = (
        process for process in tree(service.process.pid) if process.kind != "loan_api.entrypoints.server.announcement"
    )
    return sorted(found, key=lambda process: process.pid)


def _decision(closed: ClosedService) -> tuple[int, float]:
    headers = {"X-API-Key": closed.key}
    decided = requests.post(closed.service.url("/predict"), json=application(), headers=headers, timeout=10).json()
    return decided["prediction"], decided["probability"]


@dataclass(frozen=True)
class _Memory:
    """The resident memory of a process and its peak so far, in megabytes."""

    resident: int
    peak: int

    @classmethod
    def of(cls, process: Process) -> "_Memory":
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        kilobytes = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, re.MULTILINE))
        return cls(int(kilobytes["VmRSS"]) // 1000, int(kilobytes["VmHWM"]) // 1000)


def _decide_in_every_format(closed: ClosedService) -> None:
    """Let every process decide in each format, so that this memory is not attributed to the attack."""
    valid = [(media_type, written[0]) for media_type, written in bodies().items()] * WORKERS * 4

    def post(media_type: str, body: bytes) -> int:
        with PatientClient(closed.service.port, **{"X-API-Key": closed.key}) as connection:
            return connection.post("/predict/batch", body, media_type)[0]

    with ThreadPoolExecutor(WORKERS * 4) as pool:
        assert set(pool.map(post, *zip(*valid, strict=True))) == {200}
