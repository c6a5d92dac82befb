"""Health tells the parts apart: what keeps the service from deciding, and what only needs attention."""

import pytest

from loan_api.services.health import HealthService
from loan_api.services.model_registry import ModelRegistry
from tests.fakes import FakeDatabase, FakeModelSource, RecordingObserver, now


def health_of(source: FakeModelSource, database: FakeDatabase) -> HealthService:
    registry = ModelRegistry(source, RecordingObserver(), now)
    registry.refresh()
    return HealthService(registry, database, now)


@pytest.mark.parametrize(
    ("source", "database", "status"),
    [
        (FakeModelSource(), FakeDatabase(), "healthy"),
        (FakeModelSource(), FakeDatabase("it is away"), "degraded"),
        (FakeModelSource(wanted=None), FakeDatabase(), "unhealthy"),
        (FakeModelSource(is_reachable=False), FakeDatabase(), "unhealthy"),
    ],
)
def test_status_follows_the_parts(source: FakeModelSource, database: FakeDatabase, status: str) -> None:
    report = health_of(source, database).report()
    assert report.status == status
    assert report.database == (database.problem or "ok")


def test_a_broken_new_version_degrades_but_does_not_stop() -> None:
    source = FakeModelSource()
    registry = ModelRegistry(source, RecordingObserver(), now)
    registry.refresh()
    source.wanted = "3"
    registry.refresh()
    health = HealthService(registry, FakeDatabase(), now)
    assert health.report().status == "degraded"
    assert health.report().registry == "version 3 of loan_approval_model stays out: it is broken"
    assert health.can_score
