"""Audit of recorded decisions over HTTP on both databases, through `create_app`."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text, update

from loan_api.adapters.storage.archive import DatabaseArchive
from loan_api.adapters.storage.database import open_engine
from loan_api.adapters.storage.tables import batches
from loan_api.credit.policy import parse_policy, read_policy
from loan_api.services.decision_log import LogState
from loan_api.settings import read_settings
from tests.support.applications import application
from tests.support.fakes import FakeKeySource, FakeLog, api_key
from tests.support.forms import SHIPPED
from tests.support.ledger import FIRST, SECOND, START, Ledger
from tests.support.policies import EXAMPLE
from tests.support.services import NEW_ID, client_of

KEY = {"X-API-Key": "auditor"}
UNKNOWN = NEW_ID


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()


@pytest.fixture
def client(ledger: Ledger, log: FakeLog, tmp_path: Path) -> FlaskClient:
    keys = FakeKeySource([api_key("auditor", "audit"), api_key("shop", "score")])
    settings = read_settings({"LOAN_HOME": str(tmp_path)})
    return client_of(settings, log=log, archive=DatabaseArchive(SHIPPED, ledger.url), keys=keys)


def get(client: FlaskClient, path: str) -> Any:
    response = client.get(path, headers=KEY)
    assert response.status_code == 200, response.json
    return response.json


def tell(client: FlaskClient, decision_id: str, outcome: Any) -> Any:
    return client.put(f"/decisions/{decision_id}/outcome", json={"outcome": outcome}, headers=KEY)


def listed(client: FlaskClient, query: str = "") -> list[str]:
    """Return the ids on all pages."""
    ids: list[str] = []
    cursor = ""
    while True:
        page = get(client, f"/decisions?{query}{cursor}")
        ids += [decision["decision_id"] for decision in page["decisions"]]
        if page["next_cursor"] is None:
            return ids
        cursor = f"&cursor={page['next_cursor']}"


def test_a_decision_is_found_with_all_that_was_recorded(client: FlaskClient, ledger: Ledger) -> None:
    decision_id = ledger.single(SECOND, 0.1 + 0.2, request_id="from-the-shop", cibil_score=640)
    assert get(client, f"/decisions/{decision_id}") == {
        "decision_id": decision_id,
        "endpoint": "single",
        "request_id": "from-the-shop",
        "decided_at": "2024-03-13T10:30:00.123456Z",
        "model_name": "loan_approval_model",
        "registry_version": "2",
        "model_version": "1.1.0",
        "threshold": 0.35,
        "features": application(cibil_score=640),
        "probability": 0.1 + 0.2,
        "prediction": 0,
        "outcome": None,
        "decision": "decline",
        "rule": None,
        "policy_version": None,
        "policy_digest": None,
        "outcomes": [],
        "review": None,
    }


def test_the_policy_of_a_decision_is_found_with_it(client: FlaskClient, ledger: Ledger) -> None:
    policy = read_policy(EXAMPLE, SHIPPED)
    ledger.activate(policy)
    decision_id = ledger.single(FIRST, 0.9, policy=policy, loan_amount=21_000_000, income_annum=1_000_000)
    named = {"policy_version": "2026-11", "policy_digest": policy.digest}
    single = get(client, f"/decisions/{decision_id}")
    assert single["prediction"] == 1
    assert single.items() >= {"decision": "decline", "rule": "loan_too_large", **named}.items()
    batch_id = ledger.batch(0.9, 0.6, 0.1, policy=policy)
    assert get(client, f"/decisions/{batch_id}").items() >= {"rows": 3, "approved": 2, "referred": 0, **named}.items()
    # The credit scores begin at 300.
    rows = [get(client, f"/decisions/{batch_id}:{row}") for row in range(3)]
    assert {(row["decision"], row["rule"], row["policy_version"]) for row in rows} == {
        ("decline", "score_too_low", "2026-11")
    }


def test_decisions_are_listed_by_what_the_policy_decided(client: FlaskClient, ledger: Ledger) -> None:
    """Earlier versions recorded no decision: that of the threshold counts."""
    lenient = parse_policy('version = "1"\n[bands]\napprove_from = 0.6\nrefer_from = 0.3', SHIPPED)
    approved, declined = ledger.single(FIRST, 0.9), ledger.single(FIRST, 0.1)
    old_batch = ledger.batch(0.1, 0.9)
    ledger.activate(lenient)
    referred = ledger.single(FIRST, 0.5, policy=lenient)
    batch_id = ledger.batch(0.5, 0.7, 0.2, 0.4, policy=lenient)
    ledger.batch(0.9, policy=lenient)
    for query, expected in {
        "decision=refer": [f"{batch_id}:0", f"{batch_id}:3", referred],
        "decision=decline": [f"{batch_id}:2", f"{old_batch}:0", declined],
        "decision=refer&prediction=0": [f"{batch_id}:3"],
        "decision=refer&endpoint=single": [referred],
    }.items():
        assert listed(client, query) == expected, query
    assert listed(client, "decision=approve")[1:] == [f"{batch_id}:1", f"{old_batch}:1", approved]


def test_a_batch_is_found_as_a_whole_and_row_by_row(client: FlaskClient, ledger: Ledger) -> None:
    batch_id = ledger.batch(0.2, 0.7, 0.9)
    whole = get(client, f"/decisions/{batch_id}")
    assert (whole["endpoint"], whole["rows"], whole["approved"]) == ("batch", 3, 2)
    row = get(client, f"/decisions/{batch_id}:1")
    assert (row["decision_id"], row["endpoint"], row["prediction"]) == (f"{batch_id}:1", "batch", 1)
    assert (row["probability"], row["features"]) == (0.7, application(cibil_score=301))


@pytest.mark.parametrize("decision_id", [UNKNOWN, f"{UNKNOWN}:0", "no-id", "%00", f"{UNKNOWN}:-1"])
def test_what_is_not_recorded_is_not_found(client: FlaskClient, decision_id: str) -> None:
    response = client.get(f"/decisions/{decision_id}", headers=KEY)
    assert (response.status_code, response.json["type"]) == (404, "urn:loan-api:problem:unknown-decision")
    assert tell(client, decision_id, 1).status_code == 404


def test_a_row_that_the_batch_does_not_have_is_not_found(client: FlaskClient, ledger: Ledger) -> None:
    batch_id = ledger.batch(0.2, 0.7)
    for decision_id in (f"{batch_id}:2", f"{ledger.single()}:0"):
        assert client.get(f"/decisions/{decision_id}", headers=KEY).status_code == 404
    assert tell(client, batch_id, 1).status_code == 404, "an outcome belongs to one decision"


def test_while_decisions_wait_for_the_database_nothing_is_said_to_be_missing(client: FlaskClient, log: FakeLog) -> None:
    log.state = LogState("journal", 3, "it is away")
    response = client.get(f"/decisions/{UNKNOWN}", headers=KEY)
    assert (response.status_code, response.json["type"]) == (503, "urn:loan-api:problem:not-yet-stored")
    assert "Retry-After" in response.headers


def test_the_last_word_stands_and_all_are_kept(client: FlaskClient, ledger: Ledger) -> None:
    batch_id = ledger.batch(0.2, 0.7)
    for decision_id in (ledger.single(), f"{batch_id}:1"):
        for outcome in (1, 1, 0, 0.0):
            assert tell(client, decision_id, outcome).status_code == 200
        found = get(client, f"/decisions/{decision_id}")
        assert found["outcome"] == 0
        assert [(each["outcome"], each["told_by"]) for each in found["outcomes"]] == [(1, "auditor"), (0, "auditor")]
    assert get(client, f"/decisions/{batch_id}:0")["outcome"] is None


@pytest.mark.parametrize(
    "body", [{}, {"outcome": 2}, {"outcome": "1"}, {"outcome": True}, {"outcome": None}, {"outcome": 1, "x": 1}, [], 5]
)
def test_an_outcome_is_zero_or_one_and_nothing_else(client: FlaskClient, ledger: Ledger, body: Any) -> None:
    decision_id = ledger.single()
    response = client.put(f"/decisions/{decision_id}/outcome", json=body, headers=KEY)
    assert (response.status_code, response.json["type"]) == (422, "urn:loan-api:problem:invalid-request")
    assert get(client, f"/decisions/{decision_id}")["outcomes"] == []


def test_bulk_outcomes_are_all_stored_or_none(client: FlaskClient, ledger: Ledger) -> None:
    ids = [ledger.single(), f"{ledger.batch(0.2, 0.7)}:1", ledger.single()]
    reports = [{"decision_id": each, "outcome": 1} for each in ids]
    wrong = [*reports[:2], {"decision_id": UNKNOWN, "outcome": 0}]
    response = client.post("/outcomes", json={"outcomes": wrong}, headers=KEY)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json["errors"]] == ["/outcomes/2/decision_id"]
    assert [get(client, f"/decisions/{each}")["outcome"] for each in ids] == [None] * 3
    assert client.post("/outcomes", json={"outcomes": reports[:2]}, headers=KEY).json == {"new": 2, "known": 0}
    assert client.post("/outcomes", json={"outcomes": reports}, headers=KEY).json == {"new": 1, "known": 2}
    assert [get(client, f"/decisions/{each}")["outcome"] for each in ids] == [1] * 3


def test_decisions_are_listed_newest_first_page_by_page(client: FlaskClient, ledger: Ledger) -> None:
    first, batch_id, last = ledger.single(), ledger.batch(0.1, 0.6, 0.8), ledger.single()
    expected = [last, f"{batch_id}:0", f"{batch_id}:1", f"{batch_id}:2", first]
    for limit in (1, 2, 3, 500):
        assert listed(client, f"limit={limit}") == expected


def test_decisions_are_listed_by_what_is_asked_for(client: FlaskClient, ledger: Ledger) -> None:
    approved = ledger.single(FIRST, 0.9, request_id="one")
    rejected = ledger.single(SECOND, 0.1, request_id="two")
    batch_id = ledger.batch(0.1, 0.9, decider=SECOND, request_id="three")
    rows = [f"{batch_id}:0", f"{batch_id}:1"]
    tell(client, approved, 0)
    tell(client, rows[1], 1)
    minute = (START + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    for query, expected in {
        "": [*rows, rejected, approved],
        "endpoint=single": [rejected, approved],
        "endpoint=batch": rows,
        "model_version=1.1.0": [*rows, rejected],
        "model_version=9.9.9": [],
        "prediction=1": [rows[1], approved],
        "prediction=0&endpoint=single": [rejected],
        "request_id=two": [rejected],
        "outcome=none": [rows[0], rejected],
        "outcome=0": [approved],
        "outcome=1": [rows[1]],
        f"from={minute}": [*rows, rejected],
        f"to={minute}": [approved],
    }.items():
        assert listed(client, query) == expected, query


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("from=yesterday", "/from"),
        ("to=2024-13-01T00:00:00Z", "/to"),
        ("prediction=2", "/prediction"),
        ("decision=approved", "/decision"),
        ("endpoint=none", "/endpoint"),
        ("outcome=maybe", "/outcome"),
        ("limit=0", "/limit"),
        ("limit=501", "/limit"),
        ("from=2024-03-14&to=2024-03-13", "/to"),
        ("from=2024-03-13&to=2024-03-13T00:00:00Z", "/to"),
        ("limit=٣", "/limit"),
        ("cursor=!", "/cursor"),
        ("request_id=", "/request_id"),
        ("colour=red", "/colour"),
        ("endpoint=single&endpoint=batch", "/endpoint"),
        ("limit=1&limit=1", "/limit"),
    ],
)
def test_a_wrong_parameter_is_named(client: FlaskClient, query: str, pointer: str) -> None:
    response = client.get(f"/decisions?{query}", headers=KEY)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json["errors"]] == [pointer]


@pytest.mark.parametrize("features", ["null", '{"education": "Graduate"}', "{", '{"loan_term": NaN}', None])
def test_a_damaged_record_is_named_and_costs_no_other(
    client: FlaskClient, ledger: Ledger, features: str | None
) -> None:
    first, single, batch_id, last = ledger.single(), ledger.single(), ledger.batch(0.1, 0.9), ledger.single()
    damaged = batch_id if features is None else single
    with open_engine(ledger.url).begin() as connection:
        if features is None:
            connection.execute(update(batches).values(content=b"\x00"))
        else:
            # PostgreSQL keeps no text but JSON.
            kept = features if connection.dialect.name == "sqlite" else json.dumps(features)
            change = text("UPDATE decisions SET features = :kept WHERE id = :id")
            connection.execute(change, {"kept": kept, "id": single})
    page = get(client, "/decisions")
    rows = [] if features is None else [f"{batch_id}:0", f"{batch_id}:1"]
    expected = [last, *rows, *([] if damaged == single else [single]), first]
    assert [decision["decision_id"] for decision in page["decisions"]] == expected
    assert page["unreadable"] == [damaged]
    assert listed(client, "limit=1") == expected
    assert get(client, "/decisions?prediction=1")["unreadable"] == [damaged]
    response = client.get(f"/decisions/{damaged}{':0' if features is None else ''}", headers=KEY)
    assert (response.status_code, response.json["type"]) == (500, "urn:loan-api:problem:unreadable-record")
    assert damaged in response.json["detail"]


def test_who_may_only_score_sees_nothing(client: FlaskClient, ledger: Ledger) -> None:
    decision_id = ledger.single()
    for path in ("/decisions", f"/decisions/{decision_id}"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"X-API-Key": "shop"}).status_code == 403
    assert client.put(f"/decisions/{decision_id}/outcome", json={"outcome": 1}).status_code == 401
    assert client.post("/outcomes", json={"outcomes": []}, headers={"X-API-Key": "shop"}).status_code == 403


def test_an_unavailable_database_is_reported(tmp_path: Path) -> None:
    archive = DatabaseArchive(SHIPPED, f"sqlite:///{tmp_path}/nowhere.db")
    keys = FakeKeySource([api_key("auditor", "audit")])
    client = client_of(read_settings({"LOAN_HOME": str(tmp_path)}), archive=archive, keys=keys)
    response = client.get("/decisions", headers=KEY)
    assert (response.status_code, response.json["type"]) == (503, "urn:loan-api:problem:database-away")
    assert "Retry-After" in response.headers
