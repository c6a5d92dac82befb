"""The registry serves one model, follows the source, and never gives up what works."""

import threading

import pytest

from loan_api.credit.errors import NoModelError
from loan_api.services.model_registry import ModelRegistry
from tests.fakes import NOW, FakeModelSource, RecordingObserver, now


def registry_of(source: FakeModelSource) -> tuple[ModelRegistry, RecordingObserver]:
    observer = RecordingObserver()
    return ModelRegistry(source, observer, now), observer


def test_without_a_model_there_is_nothing_to_score_with() -> None:
    registry, observer = registry_of(FakeModelSource(wanted=None))
    registry.refresh()
    assert not registry.is_loaded
    assert registry.problem is None
    assert observer.events == []
    with pytest.raises(NoModelError):
        _ = registry.current


def test_the_wanted_version_is_loaded_once() -> None:
    source = FakeModelSource()
    registry, observer = registry_of(source)
    for _ in range(3):
        registry.refresh()
    assert registry.current.version.registry_version == "1"
    assert registry.current.loaded_at == NOW
    assert source.loads == ["1"]
    assert observer.events == [("loaded", "1", None)]


def test_another_wanted_version_replaces_the_served_one() -> None:
    source = FakeModelSource()
    registry, observer = registry_of(source)
    registry.refresh()
    source.wanted = "2"
    registry.refresh()
    assert registry.current.version.semantic_version == "1.1.0"
    assert observer.events[-1] == ("loaded", "2", "1")


def test_a_version_that_cannot_be_loaded_stays_out() -> None:
    source = FakeModelSource()
    registry, observer = registry_of(source)
    registry.refresh()
    source.wanted = "3"
    registry.refresh()
    assert registry.current.version.registry_version == "1"
    assert registry.problem == "version 3 is broken"
    assert observer.events[-1] == ("load failed",)


def test_an_unreachable_registry_leaves_the_served_model_and_recovers() -> None:
    source = FakeModelSource()
    registry, _ = registry_of(source)
    registry.refresh()
    source.is_reachable = False
    registry.refresh()
    assert registry.problem == "the registry is away"
    assert registry.current.version.registry_version == "1"
    source.is_reachable = True
    registry.refresh()
    assert registry.problem is None


def test_a_model_taken_out_of_production_is_served_until_another_comes() -> None:
    source = FakeModelSource()
    registry, _ = registry_of(source)
    registry.refresh()
    source.wanted = None
    registry.refresh()
    assert registry.is_loaded


def test_watching_picks_up_a_new_version() -> None:
    source = FakeModelSource(wanted=None)
    loaded = threading.Event()

    class Signal(RecordingObserver):
        def model_loaded(self, *_: object) -> None:
            loaded.set()

    registry = ModelRegistry(source, Signal(), now)
    registry.watch(0.01)
    source.wanted = "2"
    assert loaded.wait(timeout=10)
    assert registry.current.version.registry_version == "2"
