"""Reasons and what-if over HTTP. The fake model's probability rises with the credit score alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask.testing import FlaskClient

from loan_api.credit.decision import verdict_of
from loan_api.credit.policy import Policy, parse_policy
from loan_api.errors import ReasonsUnavailableError, SaturatedError
from loan_api.services.audit import DecidingPolicy, DecisionName, FoundDecision, RecordedBatch, RecordedDecision
from loan_api.services.decision_log import Decider
from tests.api.conftest import MakeClient
from tests.support.applications import application
from tests.support.fakes import NOW, FakeKeySource, FakeLog, FakePolicySource, InlineExplainer, NoArchive, api_key
from tests.support.forms import SHIPPED

ID = "018e3765-c1c0-7cc4-8f1a-0e6ba4d6b0a1"
AUDITOR = {"X-API-Key": "auditor"}


@dataclass
class OneDecision(NoArchive):
    """A database with one decision, or one batch, or nothing."""

    found: FoundDecision | RecordedBatch | None = None
    names: list[DecisionName] = field(default_factory=list)
    in_force: Policy | None = None

    def policy(self, digest: str) -> Policy | None:
        return self.in_force

    def find(self, name: DecisionName) -> FoundDecision | RecordedBatch | None:
        self.names.append(name)
        return self.found


def recorded(registry_version: str = "1", policy: Policy | None = None, **changes: Any) -> OneDecision:
    sent = SHIPPED.example() | changes
    probability = (sent["cibil_score"] - 300) / 600
    decider = Decider("loan_approval_model", registry_version, "1.0.0", 0.5)
    decision = RecordedDecision(
        decision_id=ID,
        endpoint="single",
        request_id="request-1",
        decided_at=NOW,
        decider=decider,
        features=sent,
        probability=probability,
        prediction=int(probability >= 0.5),
        outcome=None,
        verdict=policy.decide(sent, probability) if policy else verdict_of(int(probability >= 0.5)),
        policy=DecidingPolicy(policy.digest, policy.version) if policy else None,
    )
    return OneDecision(FoundDecision(decision, ()), in_force=policy)


def auditor(make_client: MakeClient, archive: OneDecision, explainer: InlineExplainer | None = None) -> FlaskClient:
    keys = FakeKeySource([api_key("auditor", "audit"), api_key("scorer", "score")])
    return make_client(archive=archive, keys=keys, explainer=explainer)


def get(client: FlaskClient, what: str, status: int = 200, name: str = ID) -> Any:
    answer = client.get(f"/decisions/{name}/{what}", headers=AUDITOR)
    assert answer.status_code == status, answer.json
    return answer.json


def test_a_rejection_comes_with_reasons_if_requested(make_client: MakeClient) -> None:
    log = FakeLog()
    client = make_client(log=log)
    answer: Any = client.post("/predict?reasons=true", json=SHIPPED.example() | {"cibil_score": 360}).json
    assert answer["prediction"] == 0
    (reason,) = answer["reasons"]
    assert reason == {
        "code": "credit_score",
        "text": "Credit score too low",
        "features": ["cibil_score"],
        "contribution": pytest.approx(0.1 - (500 / 600 + 1) / 2, abs=1e-12),
    }
    assert list(answer)[-1] == "reasons"
    assert len(log.records) == 1


def test_an_approval_has_no_reasons_and_needs_no_explanation(make_client: MakeClient) -> None:
    explainer = InlineExplainer()
    answer: Any = make_client(explainer=explainer).post("/predict?reasons=true", json=application(cibil_score=880)).json
    assert (answer["prediction"], answer["reasons"]) == (1, [])
    assert not explainer.jobs


@pytest.mark.parametrize("query", ["", "?reasons=false", "?other=1"])
def test_there_are_no_reasons_unless_requested(make_client: MakeClient, query: str) -> None:
    explainer = InlineExplainer()
    answer: Any = make_client(explainer=explainer).post(f"/predict{query}", json=application(cibil_score=310)).json
    assert "reasons" not in answer
    assert not explainer.jobs


@pytest.mark.parametrize("value", ["yes", "", "1", "TRUE"])
def test_anything_but_true_and_false_is_refused(client: FlaskClient, value: str) -> None:
    answer = client.post(f"/predict?reasons={value}", json=application())
    assert answer.status_code == 422
    assert answer.json["errors"] == [{"pointer": "/reasons", "detail": "Must be true or false."}]


def test_a_repeated_parameter_is_refused(client: FlaskClient) -> None:
    answer = client.post("/predict?reasons=false&reasons=true", json=application())
    assert answer.status_code == 422
    assert answer.json["errors"] == [{"pointer": "/reasons", "detail": "Must be given once."}]


@pytest.mark.parametrize(
    ("problem", "status", "kind"),
    [
        (SaturatedError("Busy."), 503, "saturated"),
        (ReasonsUnavailableError("No profiles."), 409, "reasons-unavailable"),
    ],
)
def test_nothing_is_decided_that_cannot_be_explained(
    make_client: MakeClient, problem: Exception, status: int, kind: str
) -> None:
    log = FakeLog()
    client = make_client(log=log, explainer=InlineExplainer(problem=problem))
    answer = client.post("/predict?reasons=true", json=application(cibil_score=310))
    assert (answer.status_code, answer.json["type"]) == (status, f"urn:loan-api:problem:{kind}")
    assert not log.records
    assert client.post("/predict", json=application(cibil_score=310)).status_code == 200


POLICY = """
version = "2026-11"
[bands]
approve_from = 0.8
refer_from = 0.6
[[rules]]
code = "long_terms"
when = "repayment_to_income > 0.3 and loan_term > 20"
decision = "decline"
reason = "Term too long for the income"
[[rules]]
code = "graduates"
when = "education == 'Post Graduate'"
decision = "refer"
"""


def test_a_rule_that_declines_is_the_only_reason(make_client: MakeClient) -> None:
    explainer = InlineExplainer()
    client = make_client(explainer=explainer, policies=FakePolicySource(parse_policy(POLICY, SHIPPED)))
    sent = SHIPPED.example() | {"cibil_score": 310, "loan_term": 25, "income_annum": 100_000}
    answer: Any = client.post("/predict?reasons=true", json=sent).json
    assert (answer["decision"], answer["rule"]) == ("decline", "long_terms")
    assert answer["reasons"] == [
        {
            "code": "long_terms",
            "text": "Term too long for the income",
            "features": ["income_annum", "loan_amount", "loan_term"],
            "contribution": None,
        }
    ]
    assert not explainer.jobs


@pytest.mark.parametrize(
    ("changes", "decision", "rule", "codes"),
    [
        ({"cibil_score": 690}, "refer", None, ["credit_score"]),
        ({"cibil_score": 630}, "decline", None, ["credit_score"]),
        ({"cibil_score": 690, "education": "Post Graduate"}, "refer", "graduates", ["credit_score"]),
        ({"cibil_score": 850}, "approve", None, []),
    ],
)
def test_every_other_decision_but_approval_has_the_models_reasons(
    make_client: MakeClient, changes: dict[str, Any], decision: str, rule: str | None, codes: list[str]
) -> None:
    """Even if the model alone would have approved: the lender's bands ask for more."""
    client = make_client(policies=FakePolicySource(parse_policy(POLICY, SHIPPED)))
    answer: Any = client.post("/predict?reasons=true", json=SHIPPED.example() | changes).json
    assert (answer["decision"], answer["rule"]) == (decision, rule)
    assert [reason["code"] for reason in answer["reasons"]] == codes


def test_a_recorded_rule_is_the_only_reason_and_its_changes_satisfy_it(make_client: MakeClient) -> None:
    """The score suffices, the term does not: only a term that the rule accepts is proposed."""
    policy = parse_policy(POLICY, SHIPPED)
    archive = recorded(policy=policy, cibil_score=880, loan_term=25, income_annum=100_000)
    client = auditor(make_client, archive, InlineExplainer())
    body = get(client, "reasons")
    assert (body["prediction"], body["decision"], body["rule"]) == (1, "decline", "long_terms")
    assert [(reason["code"], reason["contribution"]) for reason in body["reasons"]] == [("long_terms", None)]
    assert body["baseline"] + sum(body["contributions"].values()) == pytest.approx(body["probability"], abs=1e-12)
    for change in get(client, "what-if")["changes"]:
        sent = archive.found.decision.features if isinstance(archive.found, FoundDecision) else {}
        changed = {**sent, change["feature"]: change["to"]}
        assert policy.decide(changed, change["probability"]).decision == "approve"


def test_a_referral_by_a_rule_is_explained_even_if_its_policy_is_lost(make_client: MakeClient) -> None:
    archive = recorded(policy=parse_policy(POLICY, SHIPPED), cibil_score=690, education="Post Graduate")
    archive.in_force = None
    body = get(auditor(make_client, archive, InlineExplainer()), "reasons")
    assert (body["decision"], body["rule"]) == ("refer", "graduates")
    assert [reason["code"] for reason in body["reasons"]] == ["credit_score"]


def test_a_rule_whose_policy_is_lost_cannot_be_explained(make_client: MakeClient) -> None:
    archive = recorded(policy=parse_policy(POLICY, SHIPPED), loan_term=25, income_annum=100_000)
    archive.in_force = None
    client = auditor(make_client, archive)
    for what in ("reasons", "what-if"):
        body = get(client, what, status=409)
        assert body["detail"] == "The policy that decided is not recorded, or no longer fits the form."


def test_a_recorded_rejection_is_explained(make_client: MakeClient) -> None:
    body = get(auditor(make_client, recorded(cibil_score=360)), "reasons")
    assert list(body) == [
        "decision_id",
        "model_version",
        "prediction",
        "decision",
        "rule",
        "probability",
        "baseline",
        "exact",
        "standard_error",
        "contributions",
        "reasons",
    ]
    assert (body["decision_id"], body["model_version"], body["prediction"]) == (ID, "1.0.0", 0)
    assert (body["exact"], body["standard_error"]) == (True, None)
    assert list(body["contributions"]) == [group.name for group in SHIPPED.groups]
    assert body["baseline"] + sum(body["contributions"].values()) == pytest.approx(body["probability"], abs=1e-12)
    assert [reason["code"] for reason in body["reasons"]] == ["credit_score"]


def test_a_recorded_approval_has_contributions_but_no_reasons(make_client: MakeClient) -> None:
    body = get(auditor(make_client, recorded(cibil_score=700)), "reasons")
    assert body["prediction"] == 1
    assert body["reasons"] == []
    assert body["contributions"]["credit_score"] < 0


def test_a_row_of_a_batch_is_explained(make_client: MakeClient) -> None:
    archive = recorded(cibil_score=360)
    get(auditor(make_client, archive), "reasons", name=f"{ID}:7")
    assert archive.names == [DecisionName(ID, 7)]


@pytest.mark.parametrize("what", ["reasons", "what-if"])
def test_unknown_decisions_and_whole_batches_are_not_found(make_client: MakeClient, what: str) -> None:
    batch = RecordedBatch(ID, "request-1", NOW, Decider("loan_approval_model", "1", "1.0.0", 0.5), 2, 1, 0, 1, None)
    for archive in (OneDecision(), OneDecision(batch)):
        body = get(auditor(make_client, archive), what, status=404)
        assert body["type"] == "urn:loan-api:problem:unknown-decision"
    get(auditor(make_client, OneDecision()), what, status=404, name="nonsense")


@pytest.mark.parametrize("what", ["reasons", "what-if"])
def test_a_model_that_has_left_the_registry_is_named(make_client: MakeClient, what: str) -> None:
    body = get(auditor(make_client, recorded(registry_version="9", cibil_score=360)), what, status=409)
    assert body["type"] == "urn:loan-api:problem:reasons-unavailable"
    assert body["detail"] == "It has left the registry."


def test_a_model_that_no_longer_reproduces_the_decision_explains_nothing(make_client: MakeClient) -> None:
    archive = recorded(cibil_score=360)
    assert isinstance(archive.found, FoundDecision)
    object.__setattr__(archive.found.decision, "probability", 0.2)
    body = get(auditor(make_client, archive), "reasons", status=409)
    assert body["detail"] == "The model that decided no longer reproduces this decision."


@pytest.mark.parametrize("what", ["reasons", "what-if"])
def test_they_need_the_audit_scope(make_client: MakeClient, what: str) -> None:
    client = auditor(make_client, recorded(cibil_score=360))
    assert client.get(f"/decisions/{ID}/{what}").status_code == 401
    assert client.get(f"/decisions/{ID}/{what}", headers={"X-API-Key": "scorer"}).status_code == 403


def test_without_an_actionable_feature_that_matters_no_change_helps(make_client: MakeClient) -> None:
    body = get(auditor(make_client, recorded(cibil_score=360)), "what-if")
    assert (body["changes"], body["together"]) == ([], False)
    assert body["detail"] == "No change of one or two features that the applicant can change would lead to approval."


def test_an_approved_application_needs_no_change(make_client: MakeClient) -> None:
    explainer = InlineExplainer()
    body = get(auditor(make_client, recorded(cibil_score=700), explainer), "what-if")
    assert (body["prediction"], body["changes"]) == (1, [])
    assert body["detail"] == "The application was approved."
    assert not explainer.jobs


def test_contributions_are_ordered_and_cut(make_client: MakeClient) -> None:
    """Give every group a share of the probability, so that more than four are adverse."""

    class ManyGroups:
        name = "many"
        relevant_features = None

        def probability(self, sent: Any) -> float:
            raise AssertionError("explanations score batches")

        def probabilities(self, columns: Any) -> Any:
            shares: Sequence[float] = (0.05, 0.1, 0.15, 0.2, 0.005, 0.25)
            names = (
                "no_of_dependents",
                "education",
                "loan_term",
                "cibil_score",
                "luxury_assets_value",
                "residential_assets_value",
            )
            worst = SHIPPED.example() | WORST
            return sum(
                share * (columns[name] != _code(name, worst[name])) for share, name in zip(shares, names, strict=True)
            )

    archive = recorded(**WORST)
    assert isinstance(archive.found, FoundDecision)
    object.__setattr__(archive.found.decision, "probability", 0.0)
    object.__setattr__(archive.found.decision, "prediction", 0)
    body = get(auditor(make_client, archive, InlineExplainer(scorer=ManyGroups())), "reasons")
    assert [reason["code"] for reason in body["reasons"]] == ["property", "credit_score", "affordability", "employment"]
    assert [round(reason["contribution"], 9) for reason in body["reasons"]] == [-0.25, -0.2, -0.15, -0.1]


WORST: dict[str, Any] = {
    "no_of_dependents": 9,
    "education": "Not Graduate",
    "loan_term": 1,
    "cibil_score": 300,
    "luxury_assets_value": 1,
    "residential_assets_value": 0,
}


def _code(name: str, value: Any) -> Any:
    return SHIPPED.codes[name][value] if name in SHIPPED.codes else value
