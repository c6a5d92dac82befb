"""Two services share one review queue, and no acknowledged step is lost or duplicated when workers are killed."""

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from sqlalchemy import select

from loan_api.adapters.keys.file import add_key
from loan_api.adapters.storage.database import open_engine
from loan_api.adapters.storage.tables import review_steps
from tests.support.applications import application
from tests.support.homes import TrainedHome, copy_of
from tests.support.postgresql import Server
from tests.support.processes import kill
from tests.support.service import Service, started_service
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

REVIEWERS = ("ann", "bob", "cid", "dan")
REFERRALS = 24
KILLS = 4
# Every application is referred.
POLICY = 'version = "refer"\n[bands]\napprove_from = 1\nrefer_from = 0\n[[rules]]\ncode = "all"\n'
POLICY += 'when = "probability >= 0"\ndecision = "refer"\n'


@dataclass(frozen=True)
class Replicas:
    """Two services on one database, and the reviewers' API keys by name."""

    services: tuple[Service, Service]
    url: str
    keys: dict[str, str]

    def headers(self, by: str) -> dict[str, str]:
        return {"X-API-Key": self.keys[by]}

    def queue(self, service: Service, status: str) -> list[str]:
        """Return the ids in the queue as this service lists them."""
        response = requests.get(
            service.url(f"/reviews?status={status}&limit=500"), headers=self.headers("ann"), timeout=30
        )
        assert response.status_code == 200, response.text
        return [each["decision_id"] for each in response.json()["reviews"]]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.torture)])
def replicas(request: pytest.FixtureRequest, trained_home: TrainedHome, tmp_path: Path) -> Iterator[Replicas]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/shared.db"
    else:
        server: Server = request.getfixturevalue("postgresql")
        url = server.new_database()
    file, policy = tmp_path / "keys.json", tmp_path / "policy.toml"
    keys = {name: add_key(file, name, ("review", "score"), datetime.now(UTC)) for name in REVIEWERS}
    policy.write_text(POLICY, encoding="utf-8")
    with ExitStack() as running:
        one, other = (
            running.enter_context(
                started_service(
                    copy_of(trained_home, tmp_path / name).settings.loan_home,
                    DATABASE_URL=url,
                    API_KEYS_FILE=str(file),
                    POLICY_PATH=str(policy),
                )
            )
            for name in ("one", "other")
        )
        yield Replicas((one, other), url, keys)


@dataclass
class Reviewer:
    """A reviewer who claims and decides whatever is open, and repeats what was not acknowledged."""

    name: str
    replicas: Replicas
    deadline: threading.Event
    claimed: list[str] = field(default_factory=list)
    decided: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    def work(self, ids: list[str]) -> None:
        chance = random.Random(self.name)
        for decision_id in chance.sample(ids, len(ids)):
            if self._answer(chance, "POST", f"/reviews/{decision_id}/claim") != 200:
                continue
            self.claimed.append(decision_id)
            body = {"decision": "approve", "reason": self.name}
            if self._answer(chance, "PUT", f"/reviews/{decision_id}", body) == 200:
                self.decided.append(decision_id)

    def _answer(self, chance: random.Random, method: str, path: str, body: object = None) -> int:
        """Return the status, after trying both services until one acknowledges or refuses the step."""
        while not self.deadline.is_set():
            service = chance.choice(self.replicas.services)
            try:
                headers = self.replicas.headers(self.name)
                response = requests.request(method, service.url(path), json=body, headers=headers, timeout=10)
            except requests.RequestException:
                # Its worker was killed.
                self.deadline.wait(0.05)
                continue
            if response.status_code in (200, 409):
                return response.status_code
            if response.status_code != 503:
                self.unexpected.append(f"{response.status_code} {response.text}")
                return response.status_code
        self.unexpected.append("deadline")
        return 0


def test_kills_during_reviews_lose_and_duplicate_no_step(replicas: Replicas) -> None:
    one, other = replicas.services
    ids = []
    for number in range(REFERRALS):
        service = replicas.services[number % 2]
        answer = requests.post(
            service.url("/predict"), json=application(), headers=replicas.headers("ann"), timeout=30
        ).json()
        assert answer["decision"] == "refer"
        ids.append(answer["decision_id"])
    # Ids of one millisecond are in any order.
    assert sorted(replicas.queue(one, "open")) == sorted(ids)
    assert replicas.queue(one, "open") == replicas.queue(other, "open")

    too_late = threading.Event()
    reviewers = [Reviewer(name, replicas, too_late) for name in REVIEWERS]
    threads = [threading.Thread(target=each.work, args=[ids]) for each in reviewers]
    for thread in threads:
        thread.start()
    try:
        for turn in range(KILLS):
            wait_until(
                lambda wanted=(turn + 1) * 3: sum(len(each.decided) for each in reviewers) >= wanted,  # type: ignore[misc]
                "referrals to be decided",
            )
            victim = replicas.services[turn % 2]
            wait_until(lambda: bool(victim.workers), "a worker")  # noqa: B023  # called in this turn
            kill(max(victim.workers))
        for thread in threads:
            thread.join(120)
    finally:
        too_late.set()
        for thread in threads:
            thread.join(30)
    assert [each.unexpected for each in reviewers] == [[]] * len(reviewers)

    assert sorted(each for reviewer in reviewers for each in reviewer.decided) == sorted(ids)
    columns = review_steps.c
    with open_engine(replicas.url).connect() as connection:
        rows = connection.execute(select(columns.kind, columns.decision_id, columns.reviewer)).all()
    decisions = sorted((row.decision_id, row.reviewer) for row in rows if row.kind == "decide")
    assert decisions == sorted((each, reviewer.name) for reviewer in reviewers for each in reviewer.decided)
    claims = {(row.decision_id, row.reviewer) for row in rows if row.kind == "claim"}
    assert claims == {(each, reviewer.name) for reviewer in reviewers for each in reviewer.claimed}
    for service in replicas.services:
        assert (replicas.queue(service, "open"), replicas.queue(service, "claimed")) == ([], [])
        assert sorted(replicas.queue(service, "decided")) == sorted(ids)
