"""The review queue over HTTP on both databases, through `create_app`."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from loan_api.adapters.storage.archive import DatabaseArchive
from loan_api.adapters.storage.database import connected, open_engine
from loan_api.adapters.storage.migration import migration_config, upgrade_database
from loan_api.adapters.storage.purge import purge
from loan_api.adapters.storage.reviews import DatabaseReviews
from loan_api.adapters.storage.tables import batches, referrals, review_steps, reviews
from loan_api.credit.policy import parse_policy
from loan_api.errors import ReviewConflictError
from loan_api.services.audit import DecisionName, FoundDecision
from loan_api.services.review_state import LEASE
from loan_api.services.reviews import ReviewService
from loan_api.settings import read_settings
from tests.support.fakes import NOW, FakeKeySource, RecordingObserver, api_key
from tests.support.forms import SHIPPED
from tests.support.ledger import FIRST, START, Ledger
from tests.support.services import NEW_ID, client_of

BANDS = "[bands]\napprove_from = 0.8\nrefer_from = 0.5\n"
LARGE = '[[rules]]\ncode = "large"\nwhen = "loan_amount > 30_000_000"\ndecision = "refer"\n'
ONE = parse_policy(f'version = "one"\n{BANDS}{LARGE}', SHIPPED)
TWO = parse_policy(f'version = "two"\nreviewers = 2\n{BANDS}', SHIPPED)
APPROVAL = {"decision": "approve", "reason": "income_verified", "note": "Slips seen."}
REFUSAL = {"decision": "decline", "reason": "too_risky"}


@dataclass
class Clock:
    """A clock that only tests advance."""

    moment: datetime = NOW
    advanced: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return self.moment + self.advanced


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(ledger: Ledger, clock: Clock, tmp_path: Path) -> FlaskClient:
    names = [api_key(name, "review", "audit") for name in ("ann", "bob", "cid")]
    settings = read_settings({"LOAN_HOME": str(tmp_path)})
    return client_of(
        settings,
        archive=DatabaseArchive(SHIPPED, ledger.url),
        reviews=DatabaseReviews(ledger.url),
        keys=FakeKeySource([*names, api_key("auditor", "audit"), api_key("root", "admin")]),
        now=clock.now,
    )


def of(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


def claim(client: FlaskClient, decision_id: str, by: str = "ann") -> Any:
    return client.post(f"/reviews/{decision_id}/claim", headers=of(by))


def put(client: FlaskClient, decision_id: str, body: Any, by: str = "ann") -> Any:
    return client.put(f"/reviews/{decision_id}", json=body, headers=of(by))


def settle(client: FlaskClient, decision_id: str, body: Any = APPROVAL, by: str = "ann") -> Any:
    assert claim(client, decision_id, by).status_code == 200
    response = put(client, decision_id, body, by)
    assert response.status_code == 200
    return response.json


def queue(client: FlaskClient, status: str = "open", limit: int = 100) -> list[str]:
    """Return the ids on all pages."""
    ids: list[str] = []
    cursor = ""
    while True:
        response = client.get(f"/reviews?status={status}&limit={limit}{cursor}", headers=of("ann"))
        assert response.status_code == 200, response.json
        page = response.json
        assert page is not None
        assert len(page["reviews"]) <= limit
        assert {each["status"] for each in page["reviews"]} <= {status}
        ids += [each["decision_id"] for each in page["reviews"]]
        if page["next_cursor"] is None:
            return ids
        cursor = f"&cursor={page['next_cursor']}"


def steps(url: str) -> list[tuple[Any, ...]]:
    columns = review_steps.c
    with open_engine(url).connect() as connection:
        found = connection.execute(
            select(columns.kind, columns.reviewer, columns.decision, columns.is_override).order_by(columns.id)
        )
        return [tuple(row) for row in found]


def test_only_referrals_are_queued_oldest_first(client: FlaskClient, ledger: Ledger) -> None:
    ledger.activate(ONE)
    ledger.single(FIRST, 0.7)
    first = ledger.single(FIRST, 0.6, policy=ONE)
    ledger.single(FIRST, 0.9, policy=ONE)
    ledger.single(FIRST, 0.1, policy=ONE)
    batch = ledger.batch(0.1, 0.7, 0.9, 0.5, policy=ONE)
    ledger.batch(0.9, 0.1, policy=ONE)
    last = ledger.single(FIRST, 0.9, policy=ONE, loan_amount=31_000_000)
    expected = [first, f"{batch}:1", f"{batch}:3", last]
    for limit in (1, 2, 3, 4, 100):
        assert queue(client, limit=limit) == expected
    [head, *_, tail] = client.get("/reviews", headers=of("root")).json["reviews"]
    assert head == {
        "decision_id": first,
        "status": "open",
        "decision": None,
        "needs": "decision",
        "decided_at": "2024-03-13T10:32:00.123456Z",
        "probability": 0.6,
        "rule": None,
        "policy_version": "one",
        "model_version": "1.0.0",
        "claimed_by": None,
        "claim_expires_at": None,
        "reviewers_required": 1,
        "decisions": [],
    }
    assert (tail["rule"], tail["probability"]) == ("large", 0.9)


@pytest.mark.parametrize("is_batch", [False, True])
def test_a_referral_is_claimed_then_decided(client: FlaskClient, ledger: Ledger, *, is_batch: bool) -> None:
    ledger.activate(ONE)
    if is_batch:
        batch = ledger.batch(0.6, 0.9, 0.7, policy=ONE)
        other, decision_id = f"{batch}:0", f"{batch}:2"
    else:
        other, decision_id = ledger.single(FIRST, 0.6, policy=ONE), ledger.single(FIRST, 0.7, policy=ONE)
    claimed = claim(client, decision_id).json
    assert (claimed["status"], claimed["claimed_by"]) == ("claimed", "ann")
    assert claimed["claim_expires_at"] == "2024-03-13T10:45:00.000000Z"
    assert (queue(client), queue(client, "claimed")) == ([other], [decision_id])
    found = put(client, decision_id, APPROVAL).json
    assert (found["status"], found["decision"], found["claimed_by"]) == ("decided", "approve", None)
    made = {"by": "ann", "at": "2024-03-13T10:30:00.000000Z", **APPROVAL, "override": False}
    assert found["decisions"] == [made]
    assert (queue(client), queue(client, "claimed"), queue(client, "decided")) == ([other], [], [decision_id])
    decision = client.get(f"/decisions/{decision_id}", headers=of("auditor")).json
    assert decision["decision"] == "refer"
    assert decision["review"] == {"status": "decided", "decision": "approve", "reviewers": [made]}
    waiting = client.get(f"/decisions/{other}", headers=of("auditor")).json
    assert waiting["review"] == {"status": "open", "decision": None, "reviewers": []}


def test_decided_and_claimed_referrals_are_listed_page_by_page(client: FlaskClient, ledger: Ledger) -> None:
    ledger.activate(ONE)
    batch = ledger.batch(0.6, 0.7, 0.75, policy=ONE)
    ids = [f"{batch}:0", f"{batch}:1", f"{batch}:2", *(ledger.single(FIRST, 0.6, policy=ONE) for _ in range(2))]
    for decision_id in reversed(ids):
        assert claim(client, decision_id).status_code == 200
    for limit in (1, 2, 5):
        assert queue(client, "claimed", limit) == ids
    for decision_id in reversed(ids):
        assert put(client, decision_id, REFUSAL).status_code == 200
    for limit in (1, 2, 5):
        assert queue(client, "decided", limit) == ids
    assert queue(client) == []


def test_a_referral_is_on_one_page_even_if_earlier_ones_are_claimed(client: FlaskClient, ledger: Ledger) -> None:
    ledger.activate(ONE)
    ids = [ledger.single(FIRST, 0.6, policy=ONE) for _ in range(3)]
    batch = ledger.batch(0.6, 0.9, 0.7, policy=ONE)
    assert claim(client, ids[0]).status_code == 200
    for limit in (1, 2, 3, 100):
        assert queue(client, limit=limit) == [*ids[1:], f"{batch}:0", f"{batch}:2"]


def test_a_page_examines_only_a_few_batches(client: FlaskClient, ledger: Ledger) -> None:
    ledger.activate(ONE)
    ids = [f"{ledger.batch(0.6, policy=ONE)}:0" for _ in range(25)]
    page = client.get("/reviews", headers=of("ann")).json
    assert 0 < len(page["reviews"]) < 25
    assert queue(client) == ids


def test_a_damaged_batch_is_named_and_skipped(client: FlaskClient, ledger: Ledger) -> None:
    ledger.activate(ONE)
    batch, single = ledger.batch(0.6, policy=ONE), ledger.single(FIRST, 0.6, policy=ONE)
    with open_engine(ledger.url).begin() as connection:
        connection.execute(update(batches).values(content=b"\xc1"))
    page = client.get("/reviews", headers=of("ann")).json
    assert page["unreadable"] == [batch]
    assert [each["decision_id"] for each in page["reviews"]] == [single]


def test_a_claim_expires_and_is_extended(client: FlaskClient, ledger: Ledger, clock: Clock) -> None:
    ledger.activate(ONE)
    decision_id = ledger.single(FIRST, 0.6, policy=ONE)
    claim(client, decision_id)
    clock.advanced = timedelta(minutes=10)
    refused = claim(client, decision_id, "bob")
    assert (refused.status_code, refused.json["type"]) == (409, "urn:loan-api:problem:review-conflict")
    assert claim(client, decision_id).json["claim_expires_at"] == "2024-03-13T10:55:00.000000Z"
    clock.advanced += LEASE
    assert (queue(client), queue(client, "claimed")) == ([decision_id], [])
    assert put(client, decision_id, APPROVAL).status_code == 409
    assert settle(client, decision_id, by="bob")["decision"] == "approve"


def test_a_reviewer_without_a_claim_cannot_decide(client: FlaskClient, ledger: Ledger) -> None:
    ledger.activate(ONE)
    decision_id = ledger.single(FIRST, 0.6, policy=ONE)
    assert put(client, decision_id, APPROVAL).status_code == 409
    claim(client, decision_id, "bob")
    assert put(client, decision_id, APPROVAL).status_code == 409
    assert steps(ledger.url) == [("claim", "bob", None, None)]


def test_a_repeated_decision_is_ignored_and_an_override_keeps_the_first(client: FlaskClient, ledger: Ledger) -> None:
    ledger.activate(ONE)
    decision_id = ledger.single(FIRST, 0.6, policy=ONE)
    first = settle(client, decision_id)
    assert put(client, decision_id, APPROVAL).json == first
    assert put(client, decision_id, REFUSAL, "bob").status_code == 409
    overridden = put(client, decision_id, REFUSAL | {"override": True}, "bob").json
    assert overridden["decision"] == "decline"
    assert [each["by"] for each in overridden["decisions"]] == ["ann", "bob"]
    assert put(client, decision_id, APPROVAL).json == overridden
    assert steps(ledger.url) == [
        ("claim", "ann", None, None),
        ("decide", "ann", "approve", 0),
        ("decide", "bob", "decline", 1),
    ]
    assert queue(client, "decided") == [decision_id]


def test_two_reviewers_must_agree_if_the_policy_says_so(client: FlaskClient, ledger: Ledger) -> None:
    ledger.activate(TWO)
    agreed, contested = (ledger.single(FIRST, 0.6, policy=TWO) for _ in range(2))
    # The policy that referred counts.
    ledger.activate(ONE)
    first = settle(client, agreed)
    assert (first["status"], first["needs"], first["reviewers_required"]) == ("open", "second_decision", 2)
    assert claim(client, agreed).status_code == 409
    assert queue(client) == [agreed, contested]
    assert settle(client, agreed, APPROVAL, "bob")["decision"] == "approve"
    settle(client, contested)
    disagreed = settle(client, contested, REFUSAL, "bob")
    assert (disagreed["status"], disagreed["decision"], disagreed["needs"]) == ("open", None, "override")
    assert queue(client) == [contested]
    settled = settle(client, contested, REFUSAL | {"override": True}, "cid")
    assert (settled["status"], settled["decision"]) == ("decided", "decline")
    assert [each["by"] for each in settled["decisions"]] == ["ann", "bob", "cid"]
    assert queue(client) == []


def test_what_was_not_referred_or_recorded_is_not_reviewed(client: FlaskClient, ledger: Ledger) -> None:
    ledger.activate(ONE)
    batch = ledger.batch(0.6, 0.9, policy=ONE)
    approved, old = ledger.single(FIRST, 0.9, policy=ONE), ledger.single(FIRST, 0.6)
    for decision_id, status in (
        (approved, 409),
        (old, 409),
        (f"{batch}:1", 409),
        (f"{batch}:2", 404),
        (batch, 404),
        (NEW_ID, 404),
        ("nonsense", 404),
    ):
        assert claim(client, decision_id).status_code == status
        assert put(client, decision_id, APPROVAL).status_code == status
    assert client.get(f"/decisions/{approved}", headers=of("ann")).json["review"] is None


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"decision": "refer"}, "/decision"),
        ({"decision": None}, "/decision"),
        ({"decision": []}, "/decision"),
        ({"reason": "two words"}, "/reason"),
        ({"reason": 7}, "/reason"),
        ({"note": "x" * 2001}, "/note"),
        ({"note": "\0"}, "/note"),
        ({"note": "\ud800"}, "/note"),
        ({"note": None}, "/note"),
        ({"override": 1}, "/override"),
        ({"by": "bob"}, "/by"),
    ],
)
def test_a_wrong_field_is_named(client: FlaskClient, ledger: Ledger, change: Any, pointer: str) -> None:
    ledger.activate(ONE)
    decision_id = ledger.single(FIRST, 0.6, policy=ONE)
    claim(client, decision_id)
    response = put(client, decision_id, APPROVAL | change)
    assert response.status_code == 422
    assert [each["pointer"] for each in response.json["errors"]] == [pointer]
    assert len(steps(ledger.url)) == 1


@pytest.mark.parametrize("query", ["status=all", "status=open&status=open", "cursor=x", "limit=0", "order=newest"])
def test_a_wrong_parameter_is_refused(client: FlaskClient, query: str) -> None:
    assert client.get(f"/reviews?{query}", headers=of("ann")).status_code == 422


def test_reviewing_requires_the_scope_review(client: FlaskClient, ledger: Ledger) -> None:
    ledger.activate(ONE)
    decision_id = ledger.single(FIRST, 0.6, policy=ONE)
    assert client.get("/reviews", headers=of("auditor")).status_code == 403
    assert claim(client, decision_id, "auditor").status_code == 403
    assert put(client, decision_id, APPROVAL, "auditor").status_code == 403
    assert client.get("/reviews").status_code == 401
    assert settle(client, decision_id, by="root")["decisions"][0]["by"] == "root"


def service(url: str, observer: RecordingObserver | None = None) -> ReviewService:
    """Return the service as another replica runs it, with its own connections."""

    def find(decision_id: str) -> FoundDecision:
        name = DecisionName.parse(decision_id)
        assert name is not None
        found = DatabaseArchive(SHIPPED, url).find(name)
        assert isinstance(found, FoundDecision)
        return found

    return ReviewService(DatabaseReviews(url), find, observer or RecordingObserver(), lambda: NOW)


def at_once(url: str, names: Sequence[str], act: Any) -> list[str]:
    """Let each reviewer act in a service and a thread of its own. Return those who were not refused."""
    done: list[str] = []
    failures: list[BaseException] = []
    start = threading.Barrier(len(names))

    def run(by: str) -> None:
        try:
            start.wait(10)
            act(service(url), by)
            done.append(by)
        except ReviewConflictError:
            pass
        except BaseException as error:  # noqa: BLE001  # it must reach the test
            failures.append(error)

    threads = [threading.Thread(target=run, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    return done


def test_only_one_of_several_simultaneous_claims_succeeds(ledger: Ledger) -> None:
    ledger.activate(ONE)
    for _ in range(5):
        decision_id = ledger.single(FIRST, 0.6, policy=ONE)
        done = at_once(ledger.url, ["ann", "bob", "cid"], lambda each, by, name=decision_id: each.claim(name, by))
        assert len(done) == 1
        assert service(ledger.url).find(decision_id).state.claimed_by == done[0]
    assert len(steps(ledger.url)) == 5


def test_rows_of_a_batch_decided_at_once_are_all_counted(ledger: Ledger) -> None:
    ledger.activate(ONE)
    batch = ledger.batch(0.6, 0.6, 0.6, 0.6, policy=ONE)

    def decide(each: ReviewService, by: str) -> None:
        each.claim(f"{batch}:{by}", by)
        each.decide(f"{batch}:{by}", by, "approve", "fine")

    assert sorted(at_once(ledger.url, ["0", "1", "2"], decide)) == ["0", "1", "2"]
    assert service(ledger.url).page().reviews[0].referral.name == DecisionName(batch, 3)
    assert DatabaseReviews(ledger.url).backlog().undecided == 1


def test_the_backlog_is_observed(ledger: Ledger) -> None:
    observer = RecordingObserver()
    one = service(ledger.url, observer)
    one.observe_backlog()
    ledger.activate(ONE)
    batch = ledger.batch(0.6, 0.9, 0.7, policy=ONE)
    later = ledger.single(FIRST, 0.6, policy=ONE)
    one.observe_backlog()
    one.claim(later, "ann")
    one.decide(later, "ann", "decline", "too_risky")
    one.decide(later, "ann", "decline", "too_risky")
    one.decide(later, "bob", "approve", "fine", override=True)
    one.observe_backlog()
    # The clock stands before the decisions.
    assert DatabaseReviews(ledger.url).backlog().oldest == START + timedelta(minutes=1)
    assert observer.events == [
        ("backlog", 0, 0.0),
        ("backlog", 3, 0.0),
        ("reviewed", "decline", False),
        ("reviewed", "approve", True),
        ("backlog", 2, 0.0),
    ]
    assert batch


def test_purged_decisions_leave_no_reviews(client: FlaskClient, ledger: Ledger) -> None:
    ledger.activate(ONE)
    batch, single = ledger.batch(0.6, 0.7, policy=ONE), ledger.single(FIRST, 0.6, policy=ONE)
    cutoff = ledger.moment
    kept = ledger.single(FIRST, 0.6, policy=ONE)
    for decision_id in (f"{batch}:1", single, kept):
        settle(client, decision_id)
    with connected(ledger.url) as connection:
        assert sum(deleted.singles + deleted.rows for deleted in purge(connection, cutoff, lambda: None)) == 3
        for table, key in ((referrals, "id"), (reviews, "decision_id"), (review_steps, "decision_id")):
            assert set(connection.execute(select(table.c[key])).scalars()) == {kept}
    assert queue(client, "decided") == [kept]
    assert claim(client, single).status_code == 404


def test_writing_a_decision_again_does_not_reopen_its_review(client: FlaskClient, ledger: Ledger) -> None:
    """A journal is drained again after a kill."""
    ledger.activate(ONE)
    written: list[Any] = []
    again = Ledger(ledger.url, ledger.moment, lambda singles, whole: written.append((singles, whole)))
    single, batch = again.single(FIRST, 0.6, policy=ONE), again.batch(0.6, policy=ONE)
    writer = Ledger(ledger.url)
    for _ in range(2):
        for singles, whole in written:
            writer.write_records(singles, whole)
    for decision_id in (single, f"{batch}:0"):
        settle(client, decision_id)
    for singles, whole in written:
        writer.write_records(singles, whole)
    assert (queue(client), queue(client, "decided")) == ([], [single, f"{batch}:0"])
    with open_engine(ledger.url).connect() as connection:
        assert connection.scalar(select(func.sum(referrals.c.undecided))) == 0


def test_referrals_from_before_the_queue_are_in_it(ledger: Ledger, client: FlaskClient) -> None:
    ledger.activate(ONE)
    ids = [ledger.single(FIRST, 0.6, policy=ONE), f"{ledger.batch(0.9, 0.6, policy=ONE)}:1"]
    ledger.single(FIRST, 0.9, policy=ONE)
    command.downgrade(migration_config(ledger.url), "0003")
    upgrade_database(ledger.url)
    assert queue(client) == ids
