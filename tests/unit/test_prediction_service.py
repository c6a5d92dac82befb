"""Decisions follow the probability and the model's threshold, and name the model that made them."""

import pytest

from loan_api.credit.decision import APPROVED, REJECTED, decide
from loan_api.credit.errors import NoModelError
from loan_api.services.model_registry import ModelRegistry
from loan_api.services.prediction import PredictionService
from tests.applications import application
from tests.fakes import NOW, BrokenScorer, FakeModelSource, RecordingObserver, model_version, now


def service_on(source: FakeModelSource) -> tuple[PredictionService, RecordingObserver]:
    registry = ModelRegistry(source, RecordingObserver(), now)
    registry.refresh()
    observer = RecordingObserver()
    return PredictionService(registry, observer, now, new_id=lambda: "id-1"), observer


@pytest.mark.parametrize(("probability", "expected"), [(0.5, APPROVED), (0.4999, REJECTED), (1.0, APPROVED)])
def test_the_threshold_itself_is_approved(probability: float, expected: int) -> None:
    assert decide(probability, 0.5) == expected


def test_a_decision_names_model_time_and_id() -> None:
    service, observer = service_on(FakeModelSource())
    decided = service.decide(application(cibil_score=900))
    assert (decided.decision.prediction, decided.decision.probability) == (APPROVED, 1.0)
    assert (decided.model_version, decided.decided_at, decided.decision_id) == ("1.0.0", NOW, "id-1")
    assert observer.events == [("decided", "single", 1, "1.0.0")]


def test_a_batch_keeps_the_order_of_its_applications() -> None:
    service, observer = service_on(FakeModelSource())
    batch = service.decide_batch([application(cibil_score=score) for score in (300, 900, 600)])
    assert [decision.probability for decision in batch.decisions] == [0.0, 1.0, 0.5]
    assert [decision.prediction for decision in batch.decisions] == [REJECTED, APPROVED, APPROVED]
    assert observer.events == [("decided", "batch", 3, "1.0.0")]


def test_no_model_is_an_error_that_is_counted() -> None:
    service, observer = service_on(FakeModelSource(wanted=None))
    with pytest.raises(NoModelError):
        service.decide(application())
    assert observer.events == [("failed", "no_model")]


def test_a_defect_in_scoring_is_counted_and_not_swallowed() -> None:
    service, observer = service_on(FakeModelSource(versions={"1": (model_version(), BrokenScorer())}))
    with pytest.raises(ValueError, match="cannot score"):
        service.decide_batch([application()])
    assert observer.events == [("failed", "scoring_failed")]
