"""The registry follows the desired version and never drops a working model."""

import dataclasses
import threading

import pytest

from loan_api.errors import NoModelError
from loan_api.services.model_registry import ModelRegistry
from tests.support.fakes import NOW, FakeModelSource, RecordingObserver, ScoreByCreditScore, model_version, now


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


def test_a_version_that_cannot_be_loaded_is_rejected() -> None:
    source = FakeModelSource()
    registry, observer = registry_of(source)
    registry.refresh()
    source.wanted = "3"
    registry.refresh()
    assert registry.current.version.registry_version == "1"
    assert registry.problem == "version 3 of loan_approval_model was rejected: it is broken"
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
    assert "names no version" in str(registry.problem)


def test_nothing_is_loaded_before_the_first_poll() -> None:
    source = FakeModelSource(has_polled=False, good="1")
    registry, _ = registry_of(source)
    registry.refresh()
    assert not registry.is_loaded
    assert registry.problem == "the registry has not been polled yet"
    source.has_polled = True
    registry.refresh()
    assert registry.problem is None


@pytest.mark.parametrize("wanted", [None, "3"])
@pytest.mark.parametrize("is_reachable", [True, False])
def test_a_process_that_cannot_follow_the_registry_serves_the_last_good_version(
    wanted: str | None, is_reachable: bool
) -> None:
    registry, observer = registry_of(FakeModelSource(wanted, is_reachable=is_reachable, good="1"))
    registry.refresh()
    assert registry.current.version.registry_version == "1"
    assert registry.problem is not None
    assert ("loaded", "1", None) in observer.events


def test_a_rejected_version_is_retried_once_its_files_change() -> None:
    source = FakeModelSource(wanted="3")
    registry, observer = registry_of(source)
    for _ in range(5):
        registry.refresh()
    assert source.loads == ["3"]
    assert observer.events == [("load failed",)]
    assert "was rejected: it is broken" in str(registry.problem)
    source.files = 1
    registry.refresh()
    assert source.loads == ["3"] * 2


def test_a_rejected_version_is_retried_after_a_while() -> None:
    source = FakeModelSource(wanted="3")
    registry = ModelRegistry(source, RecordingObserver(), now, retry_seconds=0)
    for _ in range(3):
        registry.refresh()
    assert source.loads == ["3"] * 3


def test_the_same_version_of_another_registry_is_another_model() -> None:
    """Distinguish registries, as a recreated one numbers its versions from 1 again."""
    source = FakeModelSource()
    registry, _ = registry_of(source)
    registry.refresh()
    other = dataclasses.replace(model_version("1", "2.0.0"), artifact_digest="b" * 64)
    source.versions = {"1": (other, ScoreByCreditScore())}
    registry.refresh()
    assert registry.current.version.semantic_version == "2.0.0"


def test_aliases_of_the_served_version_are_kept_current() -> None:
    source = FakeModelSource()
    registry, _ = registry_of(source)
    registry.refresh()
    renamed = dataclasses.replace(model_version(), aliases=("champion", "spring"))
    source.versions = {"1": (renamed, ScoreByCreditScore())}
    registry.refresh()
    assert registry.current.version.aliases == ("champion", "spring")
    assert source.loads == ["1"]


def test_the_reason_for_serving_the_pipeline_is_known() -> None:
    registry, _ = registry_of(FakeModelSource(why_not_compiled="the compiled form differs"))
    registry.refresh()
    assert registry.current.why_not_compiled == "the compiled form differs"


def test_watching_picks_up_a_new_version() -> None:
    source = FakeModelSource(wanted=None)
    loaded = threading.Event()

    class Signal(RecordingObserver):
        def model_loaded(self, *_: object) -> None:
            loaded.set()

    registry = ModelRegistry(source, Signal(), now)
    threading.Thread(target=registry.watch, args=(0.01,), daemon=True).start()
    source.wanted = "2"
    assert loaded.wait(timeout=10)
    assert registry.current.version.registry_version == "2"
