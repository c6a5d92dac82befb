"""Decisions follow the probability and the model's threshold, and name their model."""

import dataclasses
import json
from datetime import datetime, timedelta

import pytest

from loan_api.credit.decision import APPROVED, DECISIONS, REJECTED, decide
from loan_api.credit.policy import Policy, parse_policy
from loan_api.errors import ClientGoneError, NoModelError, NotRecordedError
from loan_api.formats.batch_content import unpack
from loan_api.formats.codecs import JSON
from loan_api.services.decision_log import BatchRecord, DecisionRecord, LogState, PolicyActivation
from loan_api.services.model_registry import ModelRegistry
from loan_api.services.policy import PolicyService
from loan_api.services.prediction import BatchRequest, PredictionService
from tests.support.applications import application
from tests.support.fakes import (
    NOW,
    BrokenScorer,
    FakeLog,
    FakeModelSource,
    FakePolicySource,
    InlineBatches,
    RecordingObserver,
    model_version,
    now,
)
from tests.support.forms import SHIPPED


def service_on(
    source: FakeModelSource, log: FakeLog | None = None, policy: Policy | None = None
) -> tuple[PredictionService, RecordingObserver]:
    registry = ModelRegistry(source, RecordingObserver(), now)
    registry.refresh()
    observer = RecordingObserver()
    log = log or FakeLog()
    batches = InlineBatches(log)
    policies = PolicyService(FakePolicySource(policy), log, observer, now, datetime.isoformat)
    service = PredictionService(
        registry, policies, batches, log, observer, now, new_id=lambda _: "id-1", max_batch_rows=3
    )
    return service, observer


def test_a_decision_and_its_id_share_one_timestamp_even_if_the_clock_is_set_back() -> None:
    clock = iter((NOW, NOW - timedelta(days=2)))
    registry = ModelRegistry(FakeModelSource(), RecordingObserver(), now)
    registry.refresh()
    log = FakeLog()
    service = PredictionService(
        registry,
        PolicyService(FakePolicySource(), log, RecordingObserver(), now, datetime.isoformat),
        InlineBatches(log),
        log,
        RecordingObserver(),
        lambda: next(clock),
        datetime.isoformat,
        max_batch_rows=3,
    )
    single = service.decide(application(), "request-1")
    batch = service.decide_batch(batch_of(600))
    assert (single.decision_id, batch.batch_id) == (NOW.isoformat(), (NOW - timedelta(days=2)).isoformat())
    assert (single.decided_at, batch.decided_at) == (NOW, NOW - timedelta(days=2))


def batch_of(*scores: int) -> BatchRequest:
    body = json.dumps({"instances": [application(cibil_score=score) for score in scores]}).encode()
    return BatchRequest("request-1", [body], JSON, JSON, is_gone=lambda: False)


@pytest.mark.parametrize(("probability", "expected"), [(0.5, APPROVED), (0.4999, REJECTED), (1.0, APPROVED)])
def test_the_threshold_itself_is_approved(probability: float, expected: int) -> None:
    assert decide(probability, 0.5) == expected


def test_a_decision_names_model_time_and_id() -> None:
    service, observer = service_on(FakeModelSource())
    decided = service.decide(application(cibil_score=900), "request-1")
    assert (decided.prediction, decided.probability) == (APPROVED, 1.0)
    assert (decided.model_version, decided.decided_at, decided.decision_id) == ("1.0.0", NOW, "id-1")
    assert observer.events == [("decided", APPROVED, "1.0.0")]


POLICY = parse_policy(
    """
    version = "strict"
    [bands]
    approve_from = 0.9
    refer_from = 0.3
    [[rules]]
    code = "too_much"
    when = "loan_amount > 10 * income_annum"
    decision = "decline"
    reason = "Amount too large"
    """,
    SHIPPED,
)
TOO_MUCH = {"loan_amount": 100_000_000, "income_annum": 1_000_000}


def test_without_a_policy_the_threshold_decides() -> None:
    service, _ = service_on(FakeModelSource())
    decided = [service.decide(application(cibil_score=score), "request-1") for score in (600, 599)]
    assert [each.verdict for each in decided] == [("approve", None), ("decline", None)]
    assert {each.policy_version for each in decided} == {None}
    batch = service.decide_batch(batch_of(600, 599, 598))
    assert batch.summary.decisions == (("approve", None, 1), ("decline", None, 2))
    assert batch.policy_version is None


def test_the_policy_decides_whatever_the_prediction() -> None:
    log = FakeLog()
    service, observer = service_on(FakeModelSource(), log, POLICY)
    rich = service.decide(application(cibil_score=900, **TOO_MUCH), "request-1")
    assert (rich.prediction, rich.verdict, rich.policy_version) == (APPROVED, ("decline", "too_much"), "strict")
    middling = service.decide(application(cibil_score=500), "request-1")
    assert (middling.prediction, middling.verdict) == (REJECTED, ("refer", None))
    assert observer.events[0] == ("policy", "strict", None)
    activation, first, second = log.records
    assert activation == PolicyActivation(NOW.isoformat(), NOW, POLICY.digest, "strict", POLICY.text)
    assert isinstance(first, DecisionRecord)
    assert isinstance(second, DecisionRecord)
    assert (first.decision, first.rule, first.policy) == ("decline", "too_much", POLICY.digest)
    assert (second.decision, second.rule, second.policy) == ("refer", None, POLICY.digest)
    body = [application(cibil_score=900), application(cibil_score=900, **TOO_MUCH), application(cibil_score=301)]
    request = BatchRequest("request-1", [json.dumps({"instances": body}).encode()], JSON, JSON, is_gone=lambda: False)
    batch = service.decide_batch(request)
    assert batch.summary.approved == 2
    assert batch.summary.decisions == (("approve", None, 1), ("decline", None, 1), ("decline", "too_much", 1))
    answer = json.loads(b"".join(batch.pieces))
    assert (answer["policy_version"], batch.policy_version) == ("strict", "strict")
    assert [(row["prediction"], row["decision"], row["rule"]) for row in answer["predictions"]] == [
        (1, "approve", None),
        (1, "decline", "too_much"),
        (0, "decline", None),
    ]
    record = log.records[3]
    assert isinstance(record, BatchRecord)
    assert (record.approved, record.referred, record.declined, record.policy) == (2, 0, 2, POLICY.digest)
    kept = unpack(SHIPPED, record.content)
    assert ([DECISIONS[each] for each in kept.decisions], kept.rules) == (
        ["approve", "decline", "decline"],
        [None, "too_much", None],
    )


def test_no_policy_decides_before_its_activation_is_recorded() -> None:
    log = FakeLog(LogState("nowhere"))
    service, observer = service_on(FakeModelSource(), log, POLICY)
    for _ in range(2):
        with pytest.raises(NotRecordedError):
            service.decide(application(), "request-1")
    with pytest.raises(NotRecordedError):
        service.decide_batch(batch_of(600))
    assert observer.events == [("policy", "strict", None), *[("failed", "not_recorded")] * 3]
    log.state = LogState("database")
    service.decide(application(), "request-1")
    service.decide(application(), "request-2")
    assert [type(record) for record in log.records] == [PolicyActivation, DecisionRecord, DecisionRecord]


def test_a_decision_is_recorded_with_its_input_and_model() -> None:
    log = FakeLog()
    service, _ = service_on(FakeModelSource(), log)
    service.decide(application(cibil_score=750), "request-1")
    (record,) = log.records
    assert isinstance(record, DecisionRecord)
    assert (record.decision_id, record.request_id, record.decided_at) == ("id-1", "request-1", NOW)
    assert (record.probability, record.prediction) == (0.75, APPROVED)
    assert json.loads(record.features) == application(cibil_score=750)
    decider = record.decider
    assert (decider.model_name, decider.registry_version) == ("loan_approval_model", "1")
    assert (decider.semantic_version, decider.threshold) == ("1.0.0", 0.5)


def test_a_batch_is_recorded_whole() -> None:
    log = FakeLog()
    service, _ = service_on(FakeModelSource(), log)
    service.decide_batch(batch_of(300, 900))
    (record,) = log.records
    assert isinstance(record, BatchRecord)
    assert (record.batch_id, record.request_id, record.rows, record.approved) == ("id-1", "request-1", 2, 1)
    applications, probabilities, predictions, *_ = unpack(SHIPPED, record.content)
    assert applications["cibil_score"].tolist() == [300, 900]
    assert probabilities.tolist() == [0.0, 1.0]
    assert predictions.tolist() == [REJECTED, APPROVED]


def test_a_decision_that_cannot_be_recorded_is_refused() -> None:
    service, observer = service_on(FakeModelSource(), FakeLog(LogState("nowhere")))
    with pytest.raises(NotRecordedError):
        service.decide(application(), "request-1")
    with pytest.raises(NotRecordedError):
        service.decide_batch(batch_of(600))
    assert observer.events == [("failed", "not_recorded")] * 2


def test_a_batch_keeps_the_order_of_its_applications() -> None:
    service, observer = service_on(FakeModelSource())
    answered = service.decide_batch(batch_of(300, 900, 600))
    rows = json.loads(b"".join(answered.pieces))["predictions"]
    assert [row["probability"] for row in rows] == [0.0, 1.0, 0.5]
    assert [row["prediction"] for row in rows] == [REJECTED, APPROVED, APPROVED]
    assert (answered.model_version, answered.decided_at, answered.batch_id) == ("1.0.0", NOW, "id-1")
    assert observer.events == [("batch decided", 3, 2, "1.0.0")]


def test_a_batch_is_summed_up_by_tenths_of_probability() -> None:
    service, _ = service_on(FakeModelSource())
    summary = service.decide_batch(batch_of(300, 360, 900)).summary
    assert summary.probability_counts == (2, 0, 0, 0, 0, 0, 0, 0, 0, 1)
    assert summary.probability_sum == pytest.approx(1.1)


def test_a_batch_of_a_disconnected_client_is_not_scored() -> None:
    service, observer = service_on(FakeModelSource())
    request = dataclasses.replace(batch_of(600), is_gone=lambda: True)
    with pytest.raises(ClientGoneError):
        service.decide_batch(request)
    assert observer.events == []


def test_a_missing_model_is_an_error_and_counted() -> None:
    service, observer = service_on(FakeModelSource(wanted=None))
    with pytest.raises(NoModelError):
        service.decide(application(), "request-1")
    assert observer.events == [("failed", "no_model")]


def test_an_error_in_scoring_is_counted_and_propagates() -> None:
    service, observer = service_on(FakeModelSource(versions={"1": (model_version(), BrokenScorer())}))
    with pytest.raises(ValueError, match="cannot score"):
        service.decide_batch(batch_of(600))
    assert observer.events == [("failed", "scoring_failed")]
