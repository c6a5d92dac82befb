"""Health distinguishes problems that prevent decisions from those that only need attention."""

import pytest

from loan_api.services.decision_log import LogState
from loan_api.services.health import HealthService
from loan_api.services.model_registry import ModelRegistry
from loan_api.services.policy import NoPolicy
from tests.support.fakes import (
    FakeKeySource,
    FakeLog,
    FakeModelSource,
    FakePolicySource,
    RecordingObserver,
    now,
)
from tests.support.services import health_of


@pytest.mark.parametrize(
    ("source", "log", "status"),
    [
        (FakeModelSource(), FakeLog(), "healthy"),
        (FakeModelSource(), FakeLog(None), "healthy"),
        (FakeModelSource(), FakeLog(LogState("journal", 12, "it is away")), "degraded"),
        (FakeModelSource(), FakeLog(LogState("nowhere", 12, "it is away")), "unhealthy"),
        (FakeModelSource(wanted=None), FakeLog(), "unhealthy"),
        (FakeModelSource(is_reachable=False), FakeLog(), "unhealthy"),
    ],
)
def test_status_follows_the_parts(source: FakeModelSource, log: FakeLog, status: str) -> None:
    health = health_of(source, log)
    assert health.report().status == status
    assert health.can_score == (status != "unhealthy")


def test_it_says_where_decisions_go() -> None:
    report = health_of(FakeModelSource(), FakeLog(LogState("journal", 12, "it is away"))).report()
    assert report.database == "it is away"
    assert report.decision_log == "decisions are recorded in the local journal, where 12 wait for the database"
    assert health_of(FakeModelSource(), FakeLog()).report().decision_log == "ok"
    assert health_of(FakeModelSource(), FakeLog(None)).report().decision_log == "off"


def test_a_broken_new_version_degrades_but_does_not_stop() -> None:
    source = FakeModelSource()
    registry = ModelRegistry(source, RecordingObserver(), now)
    registry.refresh()
    source.wanted = "3"
    registry.refresh()
    health = HealthService(registry, FakeLog(), FakeKeySource(), NoPolicy(), now)
    assert health.report().status == "degraded"
    assert health.report().registry == "version 3 of loan_approval_model was rejected: it is broken"
    assert health.can_score


def test_a_broken_file_of_keys_degrades_but_does_not_stop() -> None:
    registry = ModelRegistry(FakeModelSource(), RecordingObserver(), now)
    registry.refresh()
    health = HealthService(registry, FakeLog(), FakeKeySource((), "it is not JSON"), NoPolicy(), now)
    assert (health.report().status, health.report().access) == ("degraded", "it is not JSON")
    assert health.can_score


def test_a_broken_policy_degrades_but_does_not_stop() -> None:
    registry = ModelRegistry(FakeModelSource(), RecordingObserver(), now)
    registry.refresh()
    health = HealthService(registry, FakeLog(), FakeKeySource(), FakePolicySource(None, "it has 1 error"), now)
    assert (health.report().status, health.report().policy) == ("degraded", "it has 1 error")
    assert health.can_score
