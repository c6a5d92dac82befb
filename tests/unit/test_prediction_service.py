"""Decisions follow the probability and the model's threshold, and name the model that made them."""

import dataclasses
import json

import pytest

from loan_api.credit.decision import APPROVED, REJECTED, decide
from loan_api.credit.errors import ClientGoneError, NoModelError
from loan_api.services.model_registry import ModelRegistry
from loan_api.services.prediction import BatchRequest, PredictionService
from loan_api.wire.formats import JSON
from tests.applications import application
from tests.fakes import NOW, BrokenScorer, FakeModelSource, InlineBatches, RecordingObserver, model_version, now


def service_on(source: FakeModelSource) -> tuple[PredictionService, RecordingObserver]:
    registry = ModelRegistry(source, RecordingObserver(), now)
    registry.refresh()
    observer = RecordingObserver()
    service = PredictionService(registry, InlineBatches(), observer, now, new_id=lambda: "id-1", max_batch_rows=3)
    return service, observer


def batch_of(*scores: int) -> BatchRequest:
    body = json.dumps({"instances": [application(cibil_score=score) for score in scores]}).encode()
    return BatchRequest(body, JSON, JSON, is_gone=lambda: False)


@pytest.mark.parametrize(("probability", "expected"), [(0.5, APPROVED), (0.4999, REJECTED), (1.0, APPROVED)])
def test_the_threshold_itself_is_approved(probability: float, expected: int) -> None:
    assert decide(probability, 0.5) == expected


def test_a_decision_names_model_time_and_id() -> None:
    service, observer = service_on(FakeModelSource())
    decided = service.decide(application(cibil_score=900))
    assert (decided.prediction, decided.probability) == (APPROVED, 1.0)
    assert (decided.model_version, decided.decided_at, decided.decision_id) == ("1.0.0", NOW, "id-1")
    assert observer.events == [("decided", APPROVED, "1.0.0")]


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


def test_a_batch_that_nobody_waits_for_is_not_scored() -> None:
    service, observer = service_on(FakeModelSource())
    request = dataclasses.replace(batch_of(600), is_gone=lambda: True)
    with pytest.raises(ClientGoneError):
        service.decide_batch(request)
    assert observer.events == []


def test_no_model_is_an_error_that_is_counted() -> None:
    service, observer = service_on(FakeModelSource(wanted=None))
    with pytest.raises(NoModelError):
        service.decide(application())
    assert observer.events == [("failed", "no_model")]


def test_a_defect_in_scoring_is_counted_and_not_swallowed() -> None:
    service, observer = service_on(FakeModelSource(versions={"1": (model_version(), BrokenScorer())}))
    with pytest.raises(ValueError, match="cannot score"):
        service.decide_batch(batch_of(600))
    assert observer.events == [("failed", "scoring_failed")]
