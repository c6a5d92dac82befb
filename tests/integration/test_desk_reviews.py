"""The desk's review queue over both databases: claim, decide, override, and every conflict."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask

from loan_api.adapters.storage.archive import DatabaseArchive
from loan_api.adapters.storage.reviews import DatabaseReviews
from loan_api.credit.policy import parse_policy
from loan_api.services.review_state import LEASE
from loan_api.settings import read_settings
from tests.support.desk import Desk, Page, signed_in
from tests.support.fakes import NOW, FakeKeySource, api_key
from tests.support.forms import SHIPPED
from tests.support.ledger import FIRST, Ledger
from tests.support.services import NEW_ID, client_of

BANDS = "[bands]\napprove_from = 0.8\nrefer_from = 0.5\n"
LARGE = '[[rules]]\ncode = "large_loan"\nwhen = "loan_amount > 30_000_000"\ndecision = "refer"\n'
ONE = parse_policy(f'version = "one"\n{BANDS}{LARGE}', SHIPPED)
TWO = parse_policy(f'version = "two"\nreviewers = 2\n{BANDS}', SHIPPED)
QUEUE = "/desk/reviews"

Open = Callable[[str], Desk]


@dataclass
class Clock:
    """A clock that only tests advance."""

    advanced: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return NOW + self.advanced


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(ledger: Ledger, clock: Clock, tmp_path: Path) -> Flask:
    reviewers = [api_key(name, "review") for name in ("ann", "bob", "cid")]
    keys = FakeKeySource([*reviewers, api_key("auditor", "audit"), api_key("shop", "score")])
    return client_of(
        read_settings({"LOAN_HOME": str(tmp_path)}),
        archive=DatabaseArchive(SHIPPED, ledger.url),
        reviews=DatabaseReviews(ledger.url),
        keys=keys,
        now=clock.now,
    ).application


@pytest.fixture
def visit(app: Flask) -> Open:
    """Return a function that signs in with a key, each time in another browser."""
    return lambda name: signed_in(app.test_client(), name)


@pytest.fixture
def ann(visit: Open) -> Desk:
    return visit("ann")


@pytest.fixture
def bob(visit: Open) -> Desk:
    return visit("bob")


def act(desk: Desk, decision_id: str, action: str, **fields: str) -> Page:
    path = f"{QUEUE}/{decision_id}"
    return desk.submit(path, {"action": action, **fields}, form=QUEUE)


def settle(desk: Desk, decision_id: str, action: str = "approve", **fields: str) -> Page:
    assert act(desk, decision_id, "claim").status == 303
    page = act(desk, decision_id, action, **{"reason": "income_verified", **fields})
    assert page.status == 303, page.text
    return page


def listed(desk: Desk, status: str = "open") -> list[str]:
    paths = [urlsplit(urljoin(QUEUE, target)).path for target in desk.open(f"{QUEUE}?status={status}").targets]
    return [path.removeprefix(f"{QUEUE}/") for path in paths if path.startswith(f"{QUEUE}/")]


def test_the_queue_holds_referrals_only_and_the_oldest_come_first(ann: Desk, ledger: Ledger) -> None:
    assert "No referral is waiting for a reviewer." in ann.open(QUEUE).text
    by_band = ledger.single(FIRST, 0.7, policy=ONE)
    ledger.single(FIRST, 0.9, policy=ONE)
    batch = ledger.batch(0.1, 0.6, policy=ONE)
    by_rule = ledger.single(FIRST, 0.9, policy=ONE, loan_amount=31_000_000)
    assert listed(ann) == [by_band, f"{batch}:1", by_rule]
    text = ann.open(QUEUE).text
    assert "70.0% Probability Decision" in text
    assert "90.0% Large loan Decision" in text


def test_the_next_referral_is_claimed_and_decided_in_three_submissions(ann: Desk, ledger: Ledger) -> None:
    first, second = (ledger.single(FIRST, 0.7, policy=ONE, cibil_score=720) for _ in range(2))
    page = ann.submit(f"{QUEUE}/next", {}, form=QUEUE)
    assert urljoin(f"{QUEUE}/next", page.location) == f"{QUEUE}/{first}"
    review = ann.open(f"{QUEUE}/{first}")
    assert "Claimed By ann until" in review.text
    assert "Contributions" in review.text
    assert "This cannot be determined: The policy that decided is not recorded" in review.text
    done = act(ann, first, "decline", reason="too risky", note="Line one\r\nline <two>")
    assert urljoin(f"{QUEUE}/{first}", done.location) == f"{QUEUE}?done={first}"
    assert "Your decision is recorded." in ann.open(f"{QUEUE}?done={first}").text
    assert listed(ann) == [second]
    assert listed(ann, "decided") == [first]
    after = ann.open(f"{QUEUE}/{first}")
    assert "Review Declined By ann: Too risky" in after.text
    assert "<blockquote>Line one\nline &lt;two&gt;</blockquote>" in after.html


def test_the_audit_trail_shows_model_policy_reviewer_and_outcome(ann: Desk, visit: Open, ledger: Ledger) -> None:
    ledger.activate(ONE)
    decision = ledger.single(FIRST, 0.7, policy=ONE)
    settle(ann, decision, note="Slips seen.")
    auditor = visit("auditor")
    page = auditor.open(f"/desk/decisions/{decision}")
    for text in (
        "Model Approved 70.0%, threshold 50.0%",
        "Policy Referred By the bands of one",
        "Review Approved By ann: Income verified",
        "Outcome Not reported",
        "Claimed 13 Mar 2024, 10:30:00 UTC · by ann",
        "Approved by a reviewer: Income verified Slips seen.",
    ):
        assert text in page.text
    assert [target for target in page.targets if "reviews" in target] == []


def test_a_referral_claimed_by_another_cannot_be_decided(ann: Desk, bob: Desk, ledger: Ledger) -> None:
    decision = ledger.single(FIRST, 0.7, policy=ONE)
    assert act(ann, decision, "claim").status == 303
    page = act(bob, decision, "claim")
    assert page.status == 409
    assert "Nothing was recorded. The referral is claimed by ann." in page.text
    page = act(bob, decision, "approve", reason="fine")
    assert (page.status, "The referral is claimed by ann." in page.text) == (409, True)
    assert "ann is reviewing this referral" in bob.open(f"{QUEUE}/{decision}").text
    assert "There is nothing for you to review." in _followed(bob, bob.submit(f"{QUEUE}/next", {}, form=QUEUE)).text
    assert "You have claimed a referral." in ann.open(QUEUE).text
    assert "You have claimed" not in bob.open(QUEUE).text


def _followed(desk: Desk, page: Page) -> Page:
    return desk.open(urljoin(f"{QUEUE}/next", page.location))


def test_the_next_referral_is_one_that_nobody_else_holds(ann: Desk, bob: Desk, ledger: Ledger) -> None:
    first, second = (ledger.single(FIRST, 0.7, policy=ONE) for _ in range(2))
    assert act(ann, first, "claim").status == 303
    page = bob.submit(f"{QUEUE}/next", {}, form=QUEUE)
    assert urljoin(f"{QUEUE}/next", page.location) == f"{QUEUE}/{second}"


def test_an_expired_claim_costs_no_work_unless_somebody_else_took_over(
    ann: Desk, bob: Desk, clock: Clock, ledger: Ledger
) -> None:
    first, second = (ledger.single(FIRST, 0.7, policy=ONE) for _ in range(2))
    for decision in (first, second):
        assert act(ann, decision, "claim").status == 303
    clock.advanced = LEASE
    assert act(bob, second, "claim").status == 303
    assert act(ann, first, "approve", reason="fine").status == 303
    page = act(ann, second, "approve", reason="fine", note="Long thoughts.")
    assert (page.status, "The referral is claimed by bob. Your note was: Long thoughts." in page.text) == (409, True)


def test_a_decision_is_refused_if_another_was_made_since_the_form_was_opened(
    ann: Desk, bob: Desk, clock: Clock, ledger: Ledger
) -> None:
    """Refuse ann's form, which predates bob's decision, without claiming the referral for her."""
    ledger.activate(TWO)
    decision = ledger.single(FIRST, 0.7, policy=TWO)
    assert act(ann, decision, "claim").status == 303
    clock.advanced = LEASE
    settle(bob, decision, "decline")
    page = act(ann, decision, "approve", reason="fine")
    assert (page.status, "Claim it to decide." in page.text) == (409, True)
    assert "Another reviewer has decided." in page.text
    assert listed(ann, "claimed") == []


def test_a_referral_is_decided_only_by_a_reviewer_who_has_claimed_it(ann: Desk, ledger: Ledger) -> None:
    decision = ledger.single(FIRST, 0.7, policy=ONE)
    page = act(ann, decision, "approve", reason="fine")
    assert (page.status, "Claim it to decide." in page.text) == (409, True)
    assert listed(ann) == [decision]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"reason": ""}, "Must be 1 to 64 letters, digits and _."),
        ({"reason": "très bien"}, "Must be 1 to 64 letters, digits and _."),
        ({"reason": "fine", "note": "x" * 2001}, "Must be a text of at most 2,000 characters."),
        ({"reason": "fine", "note": "a\0b"}, "Must be a text of at most 2,000 characters."),
    ],
)
def test_a_wrong_reason_or_note_is_explained_and_stays_in_its_field(
    ann: Desk, ledger: Ledger, fields: dict[str, str], message: str
) -> None:
    decision = ledger.single(FIRST, 0.7, policy=ONE)
    assert act(ann, decision, "claim").status == 303
    page = act(ann, decision, "approve", **fields)
    assert page.status == 422
    assert message in page.text
    assert page.inputs["reason"] == fields["reason"]
    assert listed(ann, "claimed") == [decision, decision]  # in the notice and in the list
    assert act(ann, decision, "maybe", reason="fine").status == 422


def test_a_decision_in_force_is_overridden_and_stays_in_the_history(ann: Desk, bob: Desk, ledger: Ledger) -> None:
    decision = ledger.single(FIRST, 0.7, policy=ONE)
    settle(ann, decision)
    page = act(bob, decision, "decline", reason="fraud")
    assert (page.status, "The referral has already been decided." in page.text) == (409, True)
    assert act(bob, decision, "decline", reason="fraud", override="yes").status == 303
    text = bob.open(f"{QUEUE}/{decision}").text
    assert "Review Declined By bob: Fraud" in text
    assert "Approved by a reviewer: Income verified" in text
    assert "Declined by a reviewer, as an override: Fraud" in text


def test_two_reviewers_must_agree_or_a_third_one_decides(ann: Desk, bob: Desk, visit: Open, ledger: Ledger) -> None:
    ledger.activate(TWO)
    decision = ledger.single(FIRST, 0.7, policy=TWO)
    assert "The policy requires 2 reviewers to agree." in ann.open(f"{QUEUE}/{decision}").text
    settle(ann, decision)
    assert "Second decision" in ann.open(QUEUE).text
    assert "Another reviewer must decide, too." in ann.open(f"{QUEUE}/{decision}").text
    assert "There is nothing for you to review." in _followed(ann, ann.submit(f"{QUEUE}/next", {}, form=QUEUE)).text
    settle(bob, decision, "decline", reason="too_risky")
    assert "Override" in bob.open(QUEUE).text
    cid = visit("cid")
    assert act(cid, decision, "claim").status == 303
    page = cid.open(f"{QUEUE}/{decision}")
    assert "Two reviewers disagree. Your decision settles the referral." in page.text
    assert page.inputs["override"] == "yes"
    assert act(cid, decision, "decline", reason="too_risky", override="yes").status == 303
    assert "Review Declined By cid" in cid.open(f"{QUEUE}/{decision}").text
    assert "only somebody else can override it" in ann.open(f"{QUEUE}/{decision}").text


def test_a_form_that_is_submitted_twice_is_recorded_once(ann: Desk, ledger: Ledger) -> None:
    ledger.activate(TWO)
    decision = ledger.single(FIRST, 0.7, policy=TWO)
    settle(ann, decision)
    assert act(ann, decision, "approve", reason="income_verified").status == 303
    changed = act(ann, decision, "decline", reason="income_verified")
    assert (changed.status, "This API key has already decided" in changed.text) == (409, True)
    assert ann.open(f"{QUEUE}/{decision}").text.count("Approved by a reviewer") == 1


@pytest.mark.slow
def test_the_next_referral_is_found_behind_many_that_the_reviewer_has_decided(
    app: Flask, ann: Desk, ledger: Ledger
) -> None:
    ledger.activate(TWO)
    batch = ledger.batch(*[0.6] * 51, policy=TWO)
    last = ledger.single(FIRST, 0.7, policy=TWO)
    client, opinion = app.test_client(), {"decision": "approve", "reason": "income_verified"}
    for row in range(51):
        path = f"/reviews/{batch}:{row}"
        assert client.post(f"{path}/claim", headers={"X-API-Key": "ann"}).status_code == 200
        assert client.put(path, json=opinion, headers={"X-API-Key": "ann"}).status_code == 200
    page = ann.submit(f"{QUEUE}/next", {}, form=QUEUE)
    assert urljoin(f"{QUEUE}/next", page.location) == f"{QUEUE}/{last}"


def test_pages_of_the_queue_follow_each_other(ann: Desk, ledger: Ledger) -> None:
    batch = ledger.batch(*[0.6] * 60, policy=ONE)
    first = ann.open(QUEUE)
    (more,) = [target for target in first.targets if "start" in target]
    second = ann.open(urljoin(QUEUE, more))
    ids = [urlsplit(target).path.rpartition("/")[2] for page in (first, second) for target in page.targets]
    assert [name for name in ids if name.startswith(batch)] == [f"{batch}:{row}" for row in range(60)]
    assert "Oldest" in second.text


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        (NEW_ID, 404, "No decision with this id is recorded."),
        ("nonsense", 404, "No decision with this id is recorded."),
    ],
)
def test_what_is_not_a_referral_cannot_be_reviewed(
    ann: Desk, ledger: Ledger, path: str, status: int, message: str
) -> None:
    page = ann.open(f"{QUEUE}/{path}")
    assert (page.status, message in page.text) == (status, True)
    approved, batch = ledger.single(FIRST, 0.9, policy=ONE), ledger.batch(0.6, policy=ONE)
    page = ann.open(f"{QUEUE}/{approved}")
    assert (page.status, "The decision was not referred" in page.text) == (409, True)
    assert act(ann, approved, "claim").status == 409
    assert ann.open(f"{QUEUE}/{batch}").status == 404


def test_without_the_scope_the_queue_stays_closed(visit: Open, ledger: Ledger) -> None:
    decision = ledger.single(FIRST, 0.7, policy=ONE)
    for name in ("auditor", "shop"):
        desk = visit(name)
        form = "/desk/decisions" if name == "auditor" else "/desk/try"
        for path in (QUEUE, f"{QUEUE}/{decision}"):
            assert desk.open(path).status == 403
        for path in (f"{QUEUE}/next", f"{QUEUE}/{decision}"):
            assert desk.submit(path, {"action": "claim"}, form=form).status == 403
