"""The desk's search and the life of a decision, over recorded decisions in both databases."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from flask.testing import FlaskClient

from loan_api.adapters.storage.archive import DatabaseArchive
from loan_api.adapters.storage.reviews import DatabaseReviews
from loan_api.credit.policy import Policy, read_policy
from loan_api.settings import PROJECT_ROOT, read_settings
from tests.support.desk import Desk, Page, signed_in
from tests.support.fakes import FakeKeySource, api_key
from tests.support.forms import SHIPPED
from tests.support.ledger import FIRST, SECOND, START, Ledger
from tests.support.services import NEW_ID, client_of

LIST = "/desk/decisions"


@pytest.fixture
def client(ledger: Ledger, tmp_path: Path) -> FlaskClient:
    keys = FakeKeySource([api_key("auditor", "audit"), api_key("shop", "score")])
    settings = read_settings({"LOAN_HOME": str(tmp_path)})
    return client_of(
        settings, archive=DatabaseArchive(SHIPPED, ledger.url), reviews=DatabaseReviews(ledger.url), keys=keys
    )


@pytest.fixture
def desk(client: FlaskClient) -> Desk:
    return signed_in(client, "auditor")


def links(page: Page, *, of: str = LIST) -> list[str]:
    """Return the ids of the decisions that a list links to, in order."""
    targets = [urlsplit(urljoin(of, target)).path for target in page.targets]
    return [path.removeprefix(f"{LIST}/") for path in targets if path.startswith(f"{LIST}/")]


def search(desk: Desk, query: str) -> list[str]:
    page = desk.open(f"{LIST}?{query}")
    assert page.status == 200, page.text
    return links(page)


def test_decisions_are_listed_newest_first(desk: Desk, ledger: Ledger) -> None:
    assert "No decisions yet" in desk.open(LIST).text
    first = ledger.single(probability=0.75)
    batch = ledger.batch(0.2, 0.9)
    second = ledger.single(SECOND, 0.1)
    page = desk.open(LIST)
    assert links(page) == [second, f"{batch}:0", f"{batch}:1", first]
    for text in ("13 Mar 2024, 10:30:00", "75.0%", "Batch, row 1", "1.1.0", "Approved", "Declined"):
        assert text in page.text


def test_filters_combine_and_stay_in_the_form(desk: Desk, ledger: Ledger) -> None:
    good = ledger.single(probability=0.9)
    bad = ledger.single(probability=0.1)
    later = Ledger(ledger.url, START + timedelta(days=1)).single(SECOND, 0.8, request_id="shop-7")
    desk.client.put(f"/decisions/{good}/outcome", json={"outcome": 1}, headers={"X-API-Key": "auditor"})
    assert search(desk, "prediction=0") == [bad]
    assert search(desk, "outcome=1") == [good]
    assert search(desk, "outcome=none&prediction=1&from=&to=") == [later]
    assert search(desk, "model_version=1.1.0") == [later]
    assert search(desk, "request_id=shop-7") == [later]
    assert search(desk, "endpoint=batch") == []
    assert search(desk, "from=2024-03-14") == [later]
    assert search(desk, "to=2024-03-13") == [bad, good]
    assert search(desk, "from=2024-03-13&to=2024-03-13") == [bad, good]
    page = desk.open(f"{LIST}?to=2024-03-13&prediction=0&model_version=9")
    assert page.inputs["to"] == "2024-03-13"
    assert page.inputs["model_version"] == "9"
    assert '<option value="0" selected>' in page.html
    assert "No decisions match" in page.text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("from=2024-02-30", "Must be a time such as"),
        ("to=never", "Must be a time such as"),
        ("from=2024-03-14&to=2024-03-12", "Must be a date on or after the first day."),
        ("prediction=2", "Must be one of 0, 1."),
        ("cursor=nonsense", "Must be the next_cursor of a previous page."),
        ("model_version=" + "x" * 200, "Must be a text of 1 to 128 characters"),
    ],
)
def test_a_filter_that_makes_no_sense_is_explained(desk: Desk, ledger: Ledger, query: str, message: str) -> None:
    ledger.single()
    page = desk.open(f"{LIST}?{query}")
    assert page.status == 422
    assert message in page.text
    assert links(page) == []


def test_pages_follow_each_other_to_the_end_and_keep_the_filters(desk: Desk, ledger: Ledger) -> None:
    ids = [ledger.single(probability=0.9) for _ in range(3)]
    batch = ledger.batch(*[0.1] * 20, *[0.9] * 60)
    expected = [f"{batch}:{row}" for row in range(20, 80)] + ids[::-1]
    seen: list[str] = []
    path = f"{LIST}?prediction=1"
    for _ in range(2):
        page = desk.open(path)
        seen += links(page)
        following = [target for target in page.targets if "cursor" in target]
        path = urljoin(LIST, following[0]) if following else ""
    assert seen == expected
    assert path == ""


@pytest.mark.parametrize("is_upper", [False, True])
def test_an_id_leads_to_its_decision_or_to_the_decisions_of_its_request(
    desk: Desk, ledger: Ledger, is_upper: bool
) -> None:
    decision = ledger.single(request_id=NEW_ID)
    batch = ledger.batch(0.4)

    def found(text: str) -> str:
        page = desk.open(f"{LIST}/find?id={text.upper() if is_upper else text}")
        assert page.status == 303
        return urljoin(f"{LIST}/find", page.location).lower()

    assert found(decision) == f"{LIST}/{decision}"
    assert found(batch) == f"{LIST}/{batch}"
    assert found(f"{batch}:0") == f"{LIST}/{batch}:0"
    assert parse_qs(urlsplit(found(NEW_ID)).query) == {"request_id": [NEW_ID]}
    assert parse_qs(urlsplit(found("web-1")).query) == {"request_id": ["web-1"]}
    assert found("") == LIST


def test_a_decision_is_shown_with_all_that_was_recorded(desk: Desk, ledger: Ledger) -> None:
    decision = ledger.single(SECOND, 0.1 + 0.2, request_id="from-the-shop", cibil_score=640)
    page = desk.open(f"{LIST}/{decision}")
    assert page.status == 200
    for text in (
        decision,
        "from-the-shop",
        "13 Mar 2024, 10:30:00 UTC",
        "loan_approval_model 1.1.0",
        "0.30000000000000004",
        "0.35",
        "Declined",
        "640 points",
        "9 600 000 rupees",
        "No outcome has been reported yet.",
    ):
        assert text in page.text
    for feature in SHIPPED.features:
        assert feature.name in page.text
        assert feature.description.split(". ")[0].rstrip(".") in page.text


def test_every_reported_outcome_stays_in_the_history(desk: Desk, ledger: Ledger) -> None:
    batch = ledger.batch(0.4, 0.6)
    for outcome in (1, 0):
        desk.client.put(f"/decisions/{batch}:1/outcome", json={"outcome": outcome}, headers={"X-API-Key": "auditor"})
    text = desk.open(f"{LIST}/{batch}:1").text
    assert "Outcome reported: good (replaced later)" in text
    assert "Outcome reported: bad 13 Mar 2024" in text
    assert "by auditor" in text
    assert "row 1" in text


def test_a_batch_leads_to_its_decisions(desk: Desk, ledger: Ledger) -> None:
    ledger.single()
    batch = ledger.batch(0.4, 0.6, 0.7, request_id="nightly")
    page = desk.open(f"{LIST}/{batch}")
    assert "66.7%" in page.text
    (target,) = [target for target in page.targets if "request_id" in target]
    rows = desk.open(urljoin(f"{LIST}/{batch}", target))
    assert links(rows) == [f"{batch}:{row}" for row in range(3)]


@pytest.mark.parametrize("decision_id", [NEW_ID, f"{NEW_ID}:0", "nonsense"])
def test_an_unknown_decision_is_a_404(desk: Desk, decision_id: str) -> None:
    page = desk.open(f"{LIST}/{decision_id}")
    assert page.status == 404
    assert "No decision with this id is recorded." in page.text


def test_recorded_texts_are_shown_as_texts(desk: Desk, ledger: Ledger) -> None:
    """Check request ids from before they were restricted, as any database may hold them."""
    script = "<script>alert(1)</script>"
    decision = ledger.single(request_id=script)
    for path in (LIST, f"{LIST}/{decision}", f"{LIST}?request_id={script}", f"{LIST}?model_version=%22%3E{script}"):
        page = desk.open(path)
        assert page.status == 200
        assert script not in page.html


def test_without_the_scope_decisions_stay_closed(client: FlaskClient, ledger: Ledger) -> None:
    decision = ledger.single()
    shop = signed_in(client, "shop")
    for path in (LIST, f"{LIST}/find?id={decision}", f"{LIST}/{decision}"):
        assert shop.open(path).status == 403


def test_a_refusal_by_the_served_version_is_explained_at_once(desk: Desk, ledger: Ledger) -> None:
    decision = ledger.single(FIRST, 0.2, cibil_score=420)
    page = desk.open(f"{LIST}/{decision}")
    assert "Credit score too low" in page.text
    assert "Credit score −71.7" in page.text
    assert "What would change the decision" in page.text


def test_a_decision_by_another_version_is_explained_on_request(desk: Desk, ledger: Ledger) -> None:
    decision = ledger.single(SECOND, 0.2, cibil_score=420)
    page = desk.open(f"{LIST}/{decision}")
    assert "Version 1.1.0, which made this decision, is no longer served." in page.text
    assert "Contributions" not in page.text
    (target,) = [target for target in page.targets if "explain" in target]
    explained = desk.open(urljoin(f"{LIST}/{decision}", target))
    assert explained.status == 200
    assert "This decision cannot be explained: It has left the registry." in explained.text


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (0.2, "The same to the last bit. Version 1.0.0 computes 0.2 again."),
        (0.2 + 1e-12, "The same up to rounding. Version 1.0.0 computes 0.2, 1.0e-12 less."),
        (0.3, "Not the same. Version 1.0.0 computes 0.2, but 0.3 is recorded."),
    ],
)
def test_a_replay_says_whether_every_bit_agrees(desk: Desk, ledger: Ledger, recorded: float, expected: str) -> None:
    decision = ledger.single(FIRST, recorded, cibil_score=420)
    path = f"{LIST}/{decision}"
    page = desk.submit(f"{path}/replay", {}, form=path)
    assert page.status == 200
    assert expected in page.text
    assert urljoin(f"{path}/replay", desk.open(f"{path}/replay").location) == path


def test_a_row_of_a_batch_is_replayed_too(desk: Desk, ledger: Ledger) -> None:
    batch = ledger.batch(0.5, 1 / 600)
    path = f"{LIST}/{batch}:1"
    assert "The same to the last bit" in desk.submit(f"{path}/replay", {}, form=path).text
    path = f"{LIST}/{batch}:0"
    assert "Not the same" in desk.submit(f"{path}/replay", {}, form=path).text


def test_a_replay_by_a_version_that_has_gone_says_so(desk: Desk, ledger: Ledger) -> None:
    path = f"{LIST}/{ledger.single(SECOND, 0.2)}"
    page = desk.submit(f"{path}/replay", {}, form=path)
    assert (page.status, "It has left the registry." in page.text) == (409, True)


@pytest.fixture
def policy() -> Policy:
    return read_policy(PROJECT_ROOT / "docs" / "examples" / "policy.toml", SHIPPED)


def test_model_and_policy_are_shown_separately(desk: Desk, ledger: Ledger, policy: Policy) -> None:
    ledger.activate(policy)
    by_rule = ledger.single(FIRST, 0.9, policy=policy, cibil_score=320)
    by_band = ledger.single(FIRST, 0.7, policy=policy)
    approved = ledger.single(FIRST, 0.9, policy=policy)
    page = desk.open(f"{LIST}/{by_rule}")
    assert "Model Approved 90.0%, threshold 50.0%" in page.text
    assert "Policy Declined Rule score_too_low : Credit score too low" in page.text
    assert "Refer from 0.5 to 0.8." in page.html
    page = desk.open(f"{LIST}/{by_band}")
    assert "Policy Referred By the bands of 2026-11" in page.text
    assert "Policy Approved" in desk.open(f"{LIST}/{approved}").text
    assert search(desk, "decision=refer") == [by_band]
    assert search(desk, "decision=decline&prediction=1") == [by_rule]


def test_a_policy_whose_activation_is_not_recorded_is_named_by_its_digest(
    desk: Desk, ledger: Ledger, policy: Policy
) -> None:
    page = desk.open(f"{LIST}/{ledger.single(FIRST, 0.7, policy=policy)}")
    assert page.status == 200
    assert policy.digest[:12] in page.text
    assert "a policy that is not recorded" in page.text
