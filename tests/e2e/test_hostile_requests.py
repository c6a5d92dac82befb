"""Every request gets a documented response that repeats no submitted value, and the service keeps deciding."""

import re
import select
import socket
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import pytest
import requests
from hypothesis import HealthCheck, given, settings

from tests.e2e.unharmed import unharmed
from tests.support.figures import Figure, record_figures
from tests.support.hostile_requests import CANARY, CLOSED, Attack, Documented, catalogue, drawn
from tests.support.service import ClosedService, Service

pytestmark = pytest.mark.slow

ANSWER_SECONDS = 20
PATIENCE_SECONDS = 0.3
CLIENT_GONE = 499


class Seen:
    """Results of the attacks so far."""

    def __init__(self) -> None:
        self.sent = 0
        self.statuses: Counter[int] = Counter()

    def note(self, statuses: Sequence[int]) -> None:
        """Add the result of an attack."""
        self.sent += 1
        self.statuses.update(statuses)

    def figures(self, growth: str) -> dict[str, Figure]:
        """Return a row of the table."""
        kinds: Counter[int] = Counter()
        for status, times in self.statuses.items():
            kinds[status // 100] += times
        return {
            "sent": self.sent,
            "2xx, 3xx": kinds[2] + kinds[3],
            "4xx": kinds[4],
            "503 with `Retry-After`": self.statuses[503],
            "other 5xx": kinds[5] - self.statuses[503] - self.statuses[501],
            "501": self.statuses[501],
            "closed": kinds[CLOSED],
            "largest growth, MB": growth,
        }


def answers_to(service: Service, attack: Attack) -> list[int]:
    """Return the statuses of the responses after checking that none repeats a submitted value."""
    answer = b""
    also: set[int] = set()
    with socket.create_connection(("127.0.0.1", service.port), timeout=ANSWER_SECONDS) as connection:
        # A request that is refused before it was fully read ends in a reset, which may overtake the response.
        try:
            for piece in attack.content:
                connection.sendall(piece)
        except ConnectionError:
            also.add(CLOSED)
        try:
            while True:
                if CLIENT_GONE not in also and not select.select([connection], [], [], PATIENCE_SECONDS)[0]:
                    # Ends bodies that are shorter than declared, and connections that would be kept open.
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


@pytest.fixture
def documented(closed_service: ClosedService) -> Documented:
    return Documented(requests.get(closed_service.service.url("/openapi.json"), timeout=10).json())


def all_answered(closed: ClosedService, attacks: Iterable[Attack]) -> Mapping[str, Figure]:
    seen = Seen()
    with unharmed(closed) as harm:
        for attack in attacks:
            seen.note(answers_to(closed.service, attack))
    return seen.figures(harm.growth)


@pytest.mark.torture
def test_every_known_trick_is_answered_as_documented(closed_service: ClosedService, documented: Documented) -> None:
    figures = all_answered(closed_service, catalogue(documented, closed_service.key))
    record_figures("known tricks", figures, table="Hostile requests")


def all_drawn_answered(closed: ClosedService, documented: Documented, examples: int) -> Mapping[str, Figure]:
    seen = Seen()

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(drawn(documented, closed.key))
    def attack_with(attack: Attack) -> None:
        seen.note(answers_to(closed.service, attack))

    with unharmed(closed) as harm:
        attack_with()
    return seen.figures(harm.growth)


def test_requests_drawn_at_random_are_answered_as_documented(
    closed_service: ClosedService, documented: Documented
) -> None:
    all_drawn_answered(closed_service, documented, 200)


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_thousands_of_requests_drawn_at_random_are_answered_as_documented(
    closed_service: ClosedService, documented: Documented
) -> None:
    figures = all_drawn_answered(closed_service, documented, 20_000)
    record_figures("random", figures, table="Hostile requests")
