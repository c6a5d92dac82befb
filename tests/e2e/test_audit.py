"""Audit queries to a running service: gevent workers query SQLite or PostgreSQL without blocking."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.forms import SHIPPED
from tests.support.postgresql import Server
from tests.support.service import Service, run_command, started_service
from tests.support.waiting import wait_until
from tools.benchmarks.requests_made import applications

pytestmark = pytest.mark.slow

# Large enough to be passed to a batch process.
BATCH_ROWS = 400


class Auditor:
    """A client with an auditor's key, for a service with its own database."""

    def __init__(self, service: Service, key: str, environ: dict[str, str]) -> None:
        self.service = service
        self.environ = environ
        self._headers = {"X-API-Key": key}

    def get(self, path: str) -> Any:
        response = requests.get(self.service.url(path), headers=self._headers, timeout=30)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: Any) -> Any:
        response = requests.post(self.service.url(path), json=body, headers=self._headers, timeout=30)
        assert response.status_code == 200, response.text
        return response.json()

    def counted_outcomes(self) -> float:
        samples = self.service.metrics().items()
        return sum(value for name, value in samples if name.startswith("loan_outcomes_total"))

    def report(self, decision_id: str, outcome: int) -> Any:
        url = self.service.url(f"/decisions/{decision_id}/outcome")
        response = requests.put(url, json={"outcome": outcome}, headers=self._headers, timeout=30)
        assert response.status_code == 200, response.text
        return response.json()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.torture)])
def auditor(request: pytest.FixtureRequest, home: Path) -> Iterator[Auditor]:
    if request.param == "sqlite":
        url = f"sqlite:///{home}/audited.db"
    else:
        server: Server = request.getfixturevalue("postgresql")
        url = server.new_database()
    keys = str(home / f"{request.param}-keys.json")
    key = run_command(home, "-m", "loan_api", "keys", "add", "all", "--scope", "admin", API_KEYS_FILE=keys).strip()
    with started_service(home, DATABASE_URL=url, API_KEYS_FILE=keys) as service:
        yield Auditor(service, key, {"DATABASE_URL": url})


def test_decisions_are_found_reported_on_counted_and_replayed(auditor: Auditor, home: Path) -> None:
    rows = applications(SHIPPED, BATCH_ROWS)
    single = auditor.post("/predict", rows[0])
    batch = auditor.post("/predict/batch", {"instances": rows})
    found = auditor.get(f"/decisions/{single['decision_id']}")
    assert found["features"] == rows[0]
    assert {name: found[name] for name in ("probability", "prediction", "model_version")} == {
        name: single[name] for name in ("probability", "prediction", "model_version")
    }
    row_id = f"{batch['batch_id']}:{BATCH_ROWS - 1}"
    assert auditor.get(f"/decisions/{row_id}")["probability"] == batch["predictions"][-1]["probability"]

    assert auditor.report(single["decision_id"], 1 - single["prediction"])["outcomes"][0]["told_by"] == "all"
    reports = [{"decision_id": f"{batch['batch_id']}:{row}", "outcome": 1} for row in range(BATCH_ROWS)]
    assert auditor.post("/outcomes", {"outcomes": reports}) == {"new": BATCH_ROWS, "known": 0}
    assert auditor.post("/outcomes", {"outcomes": reports}) == {"new": 0, "known": BATCH_ROWS}
    assert auditor.counted_outcomes() == BATCH_ROWS + 1
    (home / "outcomes.csv").write_text(f"decision_id,outcome\n{row_id},0\n", encoding="utf-8")
    port = {"PORT": str(auditor.service.port)}
    assert "1 outcomes were new" in run_command(
        home, "-m", "loan_api", "outcomes", "import", str(home / "outcomes.csv"), **auditor.environ, **port
    )
    assert auditor.counted_outcomes() == BATCH_ROWS + 2

    ids: list[str] = []
    cursor = ""
    while True:
        page = auditor.get(f"/decisions?limit=150{cursor}")
        ids += [decision["decision_id"] for decision in page["decisions"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert ids == [report["decision_id"] for report in reports] + [single["decision_id"]]
    assert run_command(home, "-m", "loan_api", "decisions", "replay", **auditor.environ) == (
        f"{BATCH_ROWS + 1} decisions replayed, 0 differences.\n"
    )


def test_many_may_ask_and_tell_at_once_while_decisions_are_made(auditor: Auditor) -> None:
    rows = applications(SHIPPED, 40)

    def one(place: int) -> str:
        decision_id = str(auditor.post("/predict", rows[place])["decision_id"])
        wait_until(lambda: auditor.get("/health")["checks"]["decision_log"] == "ok", "the decision log to be healthy")
        auditor.report(decision_id, place % 2)
        auditor.get("/decisions?limit=20")
        return decision_id

    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(one, range(len(rows))))
    assert [auditor.get(f"/decisions/{each}")["outcome"] for each in ids] == [place % 2 for place in range(len(rows))]


def test_an_outcome_reported_by_many_at_once_is_stored_once(auditor: Auditor) -> None:
    decision_id = auditor.post("/predict", applications(SHIPPED, 1)[0])["decision_id"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: auditor.report(decision_id, 1), range(24)))
    assert len(auditor.get(f"/decisions/{decision_id}")["outcomes"]) == 1
