"""Whatever is sent, the answer is a documented one, says nothing that was sent, and the service decides on."""

import re
import select
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, given, settings

from benchmarks.processes import Process, tree
from fuzz.seeds import bodies
from tests.applications import application
from tests.e2e.conftest import WORKERS, ClosedService, Service
from tests.e2e.hostile_requests import CANARY, CLOSED, Attack, Documented, catalogue, drawn
from tests.torture.figures import Figure, record_figures
from tests.waiting import wait_until

ANSWER_SECONDS = 20
PATIENCE_SECONDS = 0.3
CLIENT_GONE = 499
# The master, the follower and the recorder; each worker has a batch process, which it starts after some seconds.
PROCESSES = 3 + 2 * WORKERS
# What a process may take more than after one valid batch of each format.
MOST_GROWTH_MEGABYTES = 150


class Seen:
    """What came of the attacks so far."""

    def __init__(self) -> None:
        self.sent = 0
        self.statuses: Counter[int] = Counter()
        self.growth = ""

    def note(self, statuses: Sequence[int]) -> None:
        """What one attack led to."""
        self.sent += 1
        self.statuses.update(statuses)

    def figures(self) -> dict[str, Figure]:
        """As a row of the table."""
        kinds: Counter[int] = Counter()
        for status, times in self.statuses.items():
            kinds[status // 100] += times
        return {
            "sent": self.sent,
            "answered 2xx, 3xx": kinds[2] + kinds[3],
            "4xx": kinds[4],
            "503 with `Retry-After`": self.statuses[503],
            "other 5xx": kinds[5] - self.statuses[503] - self.statuses[501],
            "501": self.statuses[501],
            "closed": kinds[CLOSED],
            "leaks": 0,
            "processes died": 0,
            "grew most, MB": self.growth,
        }


def answers_to(service: Service, attack: Attack) -> list[int]:
    """The statuses of what comes back, none of which repeats what was sent."""
    answer = b""
    also: set[int] = set()
    with socket.create_connection(("127.0.0.1", service.port), timeout=ANSWER_SECONDS) as connection:
        # A request that is refused before it is all read ends in a reset, which may overtake the answer.
        try:
            for piece in attack.content:
                connection.sendall(piece)
        except ConnectionError:
            also.add(CLOSED)
        try:
            while True:
                if CLIENT_GONE not in also and not select.select([connection], [], [], PATIENCE_SECONDS)[0]:
                    # What is shorter than it says ends here, and what would be kept open.
                    also.add(CLIENT_GONE)
                    connection.shutdown(socket.SHUT_WR)
                received = connection.recv(65_536)
                if not received:
                    break
                answer += received
        except ConnectionError:
            also.add(CLOSED)
    shown = (attack.name, attack.content[0][:300], answer[:1000])
    assert CANARY.encode() not in answer, shown
    answers = re.findall(rb"^HTTP/1\.1 (\d{3}) [^\r\n]*\r\n(.*?)\r\n\r\n", answer, flags=re.MULTILINE | re.DOTALL)
    for status, head in answers:
        assert (
            int(status) < 400
            or status == b"499"
            or b"application/problem+json" in head
            or b"/health" in attack.content[0]
        ), shown
        assert status != b"503" or b"Retry-After: " in head or b"/health" in attack.content[0], shown
    statuses = [int(status) for status, _ in answers] or [CLOSED]
    assert attack.allowed.union(also).issuperset(statuses), (statuses, *shown)
    return statuses


@contextmanager
def unharmed(closed: ClosedService) -> Iterator[Seen]:
    """In the end the same processes are there, decide as before, have not grown, and have logged no value."""
    service = closed.service
    wait_until(lambda: len(_processes(service)) == PROCESSES, "all processes to be there")
    _decide_in_every_format(closed)
    before = _decision(closed)
    processes, logged = _processes(service), service.log.stat().st_size
    peaks = list(map(peak_megabytes, processes))
    seen = Seen()
    yield seen
    assert _decision(closed) == before
    assert _processes(service) == processes
    grown = [(peak, peak_megabytes(process), process.kind) for peak, process in zip(peaks, processes, strict=True)]
    assert max(after - peak for peak, after, _ in grown) < MOST_GROWTH_MEGABYTES, grown
    peak, after, kind = max(grown, key=lambda each: each[1] - each[0])
    seen.growth = f"{kind.rpartition('.')[2]}: {peak} → {after}"
    log = service.log.read_bytes()[logged:]
    assert CANARY.encode() not in log
    assert b'"level": "ERROR"' not in log
    assert b"Traceback" not in log


def _processes(service: Service) -> list[Process]:
    """All but what announces the service, which ends by itself."""
    found = (process for process in tree(service.process.pid) if process.kind != "loan_api.announcement")
    return sorted(found, key=lambda process: process.pid)


def _decision(closed: ClosedService) -> tuple[int, float]:
    headers = {"X-API-Key": closed.key}
    decided = requests.post(closed.service.url("/predict"), json=application(), headers=headers, timeout=10).json()
    return decided["prediction"], decided["probability"]


def peak_megabytes(process: Process) -> int:
    """The most that it has had in memory."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8"))
    assert found
    return int(found[1]) // 1000


def _decide_in_every_format(closed: ClosedService) -> None:
    """By every process: what each takes for that is not what the attacks take."""
    valid = [(media_type, written[0]) for media_type, written in bodies().items()] * WORKERS * 4

    def post(media_type: str, body: bytes) -> int:
        headers = {"Content-Type": media_type, "X-API-Key": closed.key}
        return requests.post(closed.service.url("/predict/batch"), body, headers=headers, timeout=20).status_code

    with ThreadPoolExecutor(WORKERS * 4) as pool:
        assert set(pool.map(post, *zip(*valid, strict=True))) == {200}


@pytest.fixture
def documented(closed_service: ClosedService) -> Documented:
    return Documented(requests.get(closed_service.service.url("/openapi.json"), timeout=10).json())


def test_every_known_trick_is_answered_as_documented(closed_service: ClosedService, documented: Documented) -> None:
    service = closed_service.service
    with unharmed(closed_service) as seen:
        for attack in catalogue(documented, closed_service.key):
            seen.note(answers_to(service, attack))
    record_figures("known tricks", seen.figures(), table="Hostile requests")


def attacked_at_random(closed: ClosedService, documented: Documented, examples: int) -> Seen:
    with unharmed(closed) as seen:

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(drawn(documented, closed.key))
        def attack_with(attack: Attack) -> None:
            seen.note(answers_to(closed.service, attack))

        attack_with()
    return seen


def test_requests_drawn_at_random_are_answered_as_documented(
    closed_service: ClosedService, documented: Documented
) -> None:
    attacked_at_random(closed_service, documented, 300)


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_thousands_of_requests_drawn_at_random_are_answered_as_documented(
    closed_service: ClosedService, documented: Documented
) -> None:
    seen = attacked_at_random(closed_service, documented, 5_000)
    record_figures("drawn at random", seen.figures(), table="Hostile requests")
