"""The desk's page that decides an application: simulations, recorded decisions, and errors beside their fields."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from loan_api.credit.policy import parse_policy
from loan_api.errors import ReasonsUnavailableError, SaturatedError
from loan_api.services.decision_log import DecisionRecord, LogState
from loan_api.services.explanation import FoundChange, FoundChanges, WhatIfJob
from tests.api.conftest import MakeClient
from tests.support.desk import Desk, Page, signed_in
from tests.support.fakes import (
    BrokenScorer,
    FakeKeySource,
    FakeLog,
    FakeModelSource,
    FakePolicySource,
    InlineExplainer,
    ScoreByCreditScore,
    api_key,
    model_version,
)
from tests.support.forms import SHIPPED, SMALL_TEXT
from tests.support.scraping import Credentials, scrape

KEY = "loan_of-the-shop"
KEYS = FakeKeySource([api_key("shop", "score", text=KEY)])
PATH = "/desk/try"


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()


@pytest.fixture
def client(make_client: MakeClient, log: FakeLog) -> FlaskClient:
    return make_client(keys=KEYS, log=log)


@pytest.fixture
def desk(client: FlaskClient) -> Desk:
    return signed_in(client, KEY)


def fields(**changes: str) -> dict[str, str]:
    """Return the inputs of the example with some changed."""
    example = {name: str(value) for name, value in SHIPPED.example().items()}
    return {f"f-{name}": value for name, value in (example | changes).items()}


def decided(desk: Desk, mode: str, given: Mapping[str, str]) -> Page:
    return desk.submit(PATH, {**given, "mode": mode})


def recorded(log: FakeLog) -> DecisionRecord:
    """Return the only record in the log."""
    (record,) = log.records
    assert isinstance(record, DecisionRecord)
    return record


def loan_metrics(client: FlaskClient, credentials: Credentials) -> dict[object, float]:
    """Return the metrics of decisions, without those of requests."""
    return {key: value for key, value in scrape(client, credentials).items() if "http" not in key[0]}


def test_the_form_shows_every_feature_with_its_texts_and_its_example(desk: Desk) -> None:
    page = desk.open(PATH)
    assert page.status == 200
    for number in SHIPPED.numbers:
        shown = page.inputs[f"f-{number.name}"]
        assert float(shown.replace("\u202f", "")) == number.example
        assert number.description.split(". ")[0].rstrip(".") in page.text
        assert number.unit in page.text
    for category in SHIPPED.categories:
        options = re.findall(rf'<select id="f-{category.name}".*?</select>', page.html, re.DOTALL)
        assert re.findall(r'<option value="([^"]*)"', options[0]) == list(category.values)
        assert f'<option value="{category.example}" selected>' in options[0]
    assert "Whole number from 300 to 900" in page.text


def test_an_empty_form_has_no_values(desk: Desk) -> None:
    page = desk.open(f"{PATH}?blank=1")
    assert {page.inputs[f"f-{number.name}"] for number in SHIPPED.numbers} == {""}
    assert page.html.count('<option value="" selected>') == len(SHIPPED.categories)


def test_a_simulation_leaves_no_trace(
    desk: Desk, client: FlaskClient, log: FakeLog, metrics_credentials: Credentials
) -> None:
    before = loan_metrics(client, metrics_credentials)
    page = decided(desk, "simulate", fields(cibil_score="840"))
    assert page.status == 200
    assert "Simulation" in page.text
    assert "Approved" in page.text
    assert "90.0%" in page.html
    assert log.records == []
    assert loan_metrics(client, metrics_credentials) == before


def test_a_recorded_decision_is_recorded_and_counted(
    desk: Desk, client: FlaskClient, log: FakeLog, metrics_credentials: Credentials
) -> None:
    before = loan_metrics(client, metrics_credentials)
    page = decided(desk, "record", fields(cibil_score="360"))
    record = recorded(log)
    assert "Recorded decision" in page.text
    assert "Declined" in page.text
    assert record.decision_id in page.text
    assert record.probability == pytest.approx(0.1)
    assert loan_metrics(client, metrics_credentials) != before


POLICY = """
version = "<2026>"
[bands]
approve_from = 0.8
refer_from = 0.5
[[rules]]
code = "many_dependents"
when = "no_of_dependents > 6"
decision = "decline"
reason = "More than <six> people"
"""


@pytest.mark.parametrize("mode", ["simulate", "record"])
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"cibil_score": "840"}, "Approved"),
        ({"cibil_score": "660"}, "Referred"),
        ({"cibil_score": "420"}, "Declined"),
        ({"cibil_score": "840", "no_of_dependents": "7"}, "Declined"),
    ],
)
def test_the_policy_decides(make_client: MakeClient, mode: str, changes: dict[str, str], expected: str) -> None:
    policy = parse_policy(POLICY, SHIPPED)
    client = make_client(keys=KEYS, policies=FakePolicySource(policy))
    page = decided(signed_in(client, KEY), mode, fields(**changes))
    assert f"</svg>{expected}</span>" in page.html
    assert "Policy &lt;2026&gt;" in page.html or "<dd>&lt;2026&gt;</dd>" in page.html
    assert ("More than &lt;six&gt; people" in page.html) == ("no_of_dependents" in changes)
    assert "Refer from 0.5 to 0.8." in page.html


def test_only_the_button_for_it_records(desk: Desk, log: FakeLog) -> None:
    for mode in ("", "Record", "simulate"):
        assert "Simulation" in decided(desk, mode, fields()).text
    assert log.records == []


def test_errors_are_beside_their_fields_and_what_was_entered_stays(desk: Desk, log: FakeLog) -> None:
    given = fields(cibil_score="9999", loan_term="12.5", income_annum="<b>much</b>", education="Doctor", loan_amount="")
    page = decided(desk, "record", given)
    assert page.status == 422
    assert "5 values cannot be accepted." in page.text
    for name, message in (
        ("cibil_score", "Must be a whole number from 300 to 900."),
        ("loan_term", "Must be a whole number from 1 to 50."),
        ("income_annum", "Must be a number from 1 to 1\u202f000\u202f000\u202f000\u202f000."),
        ("education", "Must be one of Graduate, Not Graduate, Post Graduate."),
        ("loan_amount", "This field is missing."),
    ):
        (error,) = re.findall(rf'id="f-{name}-error">(.*?)</p>', page.html)
        assert error.endswith(message)
        assert f'href="#f-{name}"' in page.html
    assert page.inputs["f-cibil_score"] == "9999"
    assert page.inputs["f-income_annum"] == "<b>much</b>"
    assert "<b>much" not in page.html
    assert log.records == []


@pytest.mark.parametrize(
    "text",
    ["9600000", "9 600 000", "9,600,000", "96,00,000", "9\u202f600\u202f000", "9'600'000", " 9600000.0 ", "9.6e6"],
)
def test_a_number_can_be_written_as_people_write_it(desk: Desk, log: FakeLog, text: str) -> None:
    assert decided(desk, "record", fields(income_annum=text)).status == 200
    record = recorded(log)
    assert b'"income_annum":9600000.0' in record.features


@pytest.mark.parametrize(
    "text", ["nan", "inf", "1,2", "1.200.000", "12,34", "0x10", "1__", "--1", "1e999", "9" * 5000, "٣"]
)
def test_what_is_not_clearly_a_number_is_refused(desk: Desk, log: FakeLog, text: str) -> None:
    page = decided(desk, "record", fields(income_annum=text))
    assert (page.status, log.records) == (422, [])
    assert page.inputs["f-income_annum"] == text


def test_a_negative_number_keeps_its_sign(desk: Desk, log: FakeLog) -> None:
    assert decided(desk, "record", fields(residential_assets_value="−100,000")).status == 200
    record = recorded(log)
    assert b'"residential_assets_value":-100000.0' in record.features


def test_another_form_has_its_own_fields(make_client: MakeClient, tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(SMALL_TEXT.replace("Small loans", "<Small> & 'fine'"), encoding="utf-8")
    client = make_client(FakeModelSource(wanted=None), keys=KEYS, FEATURES_PATH=str(path))
    page = signed_in(client, KEY).open(PATH)
    assert "&lt;Small&gt; &amp; &#39;fine&#39;" in page.html
    assert '<option value="">Not stated</option>' in page.html
    assert page.inputs["f-amount"] == "1200.5"
    assert "optional" in page.text
    assert "No model is served" in page.text


def test_without_a_model_the_page_says_so(make_client: MakeClient) -> None:
    desk = signed_in(make_client(FakeModelSource(wanted=None), keys=KEYS), KEY)
    page = decided(desk, "simulate", fields())
    assert page.status == 503
    assert "No model is in production yet" in page.text
    assert "Retry-After" in page.response.headers


def test_a_decision_that_cannot_be_recorded_is_not_shown(make_client: MakeClient) -> None:
    desk = signed_in(make_client(keys=KEYS, log=FakeLog(LogState("nowhere"))), KEY)
    page = decided(desk, "record", fields())
    assert page.status == 503
    assert "Approved" not in page.text
    assert "Declined" not in page.text


def test_an_unexpected_error_reveals_nothing(make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    source = FakeModelSource(versions={"1": (model_version("1", "1.0.0"), BrokenScorer())})
    page = decided(signed_in(make_client(source, keys=KEYS), KEY), "simulate", fields(income_annum="1234567"))
    assert page.status == 500
    assert page.response.headers["X-Request-ID"] in page.text
    assert "1234567" not in page.html
    assert "1234567" not in caplog.text


def test_a_probability_never_looks_certain(make_client: MakeClient) -> None:
    class Sure(ScoreByCreditScore):
        def probability(self, application: Mapping[str, object]) -> float:
            return 0.99996

    source = FakeModelSource(versions={"1": (model_version("1", "1.0.0"), Sure())})
    page = decided(signed_in(make_client(source, keys=KEYS), KEY), "simulate", fields())
    assert "99.996%" in page.html


class Proposing(InlineExplainer):
    """Explainer that proposes a change to the policy's liking."""

    def changes(self, job: WhatIfJob) -> FoundChanges:
        assert job.policy == POLICY
        return FoundChanges([FoundChange("loan_amount", 29_900_000.0, 24_100_000.0, 0.83)], together=False)


def test_changes_that_the_policy_would_approve_are_shown(make_client: MakeClient) -> None:
    policies = FakePolicySource(parse_policy(POLICY, SHIPPED))
    client = make_client(keys=KEYS, policies=policies, explainer=Proposing())
    page = decided(signed_in(client, KEY), "simulate", fields(cibil_score="420"))
    assert "This change would lead to approval." in page.text
    assert "The amount applied for 29 900 000 → 24 100 000 rupees 83.0%" in page.text


@pytest.mark.parametrize("mode", ["simulate", "record"])
def test_contributions_lead_from_the_baseline_to_the_probability(desk: Desk, mode: str) -> None:
    page = decided(desk, mode, fields(cibil_score="420"))
    assert "Principal reason Credit score too low" in page.text
    assert "typical approved applications, 91.7%, to 20.0%" in page.text
    assert "Credit score −71.7" in page.text
    assert "Household 0.0" in page.text
    assert "No change of one or two values" in page.text


def test_an_approval_has_contributions_but_no_reasons(desk: Desk) -> None:
    page = decided(desk, "simulate", fields(cibil_score="840"))
    assert "Contributions" in page.text
    assert "Principal reason" not in page.text
    assert "What would change the decision" not in page.text


def test_a_rule_that_declines_is_the_only_reason(make_client: MakeClient) -> None:
    client = make_client(keys=KEYS, policies=FakePolicySource(parse_policy(POLICY, SHIPPED)))
    page = decided(signed_in(client, KEY), "simulate", fields(cibil_score="420", no_of_dependents="7"))
    (reasons,) = re.findall(r'<ol class="reasons">(.*?)</ol>', page.html)
    assert reasons == "<li>More than &lt;six&gt; people</li>"


@pytest.mark.parametrize("problem", [SaturatedError("It is busy."), ReasonsUnavailableError("It has no profiles.")])
def test_a_decision_is_shown_even_if_it_cannot_be_explained(make_client: MakeClient, problem: Exception) -> None:
    log = FakeLog()
    client = make_client(keys=KEYS, log=log, explainer=InlineExplainer(problem=problem))
    page = decided(signed_in(client, KEY), "record", fields())
    assert (page.status, len(log.records)) == (200, 1)
    assert f"This decision cannot be explained: {problem}" in page.text
