"""The service with a real registry: it reproduces the trained model exactly and follows promotions."""

import csv
import dataclasses
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import mlflow
import numpy as np
import pytest
from flask.testing import FlaskClient

from loan_api.adapters.registry.cache import ModelCache
from loan_api.adapters.registry.cached_source import CachedModelSource
from loan_api.adapters.registry.mlflow_source import MlflowModels
from loan_api.adapters.registry.replay_models import ReplayModels
from loan_api.credit.frame import applications_frame
from loan_api.errors import ModelUnavailableError
from loan_api.scoring.compiled import CompiledForm
from loan_api.scoring.package import TAG_ARTIFACT_DIGEST, ReferencePackage, artifact_digest
from loan_api.services.decision_log import Decider
from loan_api.services.model_registry import ModelRegistry
from tests.support.applications import ASSESSMENT_BATCH, ASSESSMENT_SINGLE
from tests.support.fakes import RecordingObserver, now
from tests.support.following import cache_of, source_of
from tests.support.forms import SHIPPED
from tests.support.homes import TrainedHome
from tests.support.services import client_of
from training.compilation.graph import Graph
from training.registry.promotion import put_into_production
from training.registry.versions import find_version

MODEL = "loan_approval_model"


@pytest.fixture
def client(trained_home: TrainedHome) -> FlaskClient:
    return client_of(trained_home.settings, models=source_of(trained_home))


def raw_applications(path: Path) -> list[dict[str, Any]]:
    """Read the file's rows as a client sends them, without the project's reader."""
    numbers = {number.name for number in SHIPPED.numbers}
    with path.open(encoding="utf-8") as file:
        rows = csv.DictReader(file, fieldnames=["loan_id", *SHIPPED.names, "loan_status"], skipinitialspace=True)
        next(rows)
        return [
            {name: int(value) if name in numbers else value for name, value in row.items() if name in SHIPPED.names}
            for row in rows
        ]


def test_the_service_gives_exactly_the_registered_pipeline_s_probabilities(
    client: FlaskClient, trained_home: TrainedHome
) -> None:
    """Train/serve parity on raw rows, including negative assets and a post graduate."""
    assert trained_home.settings.dataset_path is not None
    rows = raw_applications(trained_home.settings.dataset_path)
    rows.append(rows[0] | {"education": "Post Graduate"})
    assert any(row["residential_assets_value"] == -100_000 for row in rows)
    mlflow.set_tracking_uri(trained_home.settings.mlflow_tracking_uri)
    pipeline = mlflow.sklearn.load_model(f"models:/{MODEL}/Production")
    expected = pipeline.predict_proba(applications_frame(SHIPPED, rows))[:, 1].tolist()
    labels = pipeline.predict(applications_frame(SHIPPED, rows)).tolist()

    batch: Any = client.post("/predict/batch", json={"instances": rows}).json
    assert [row["probability"] for row in batch["predictions"]] == expected
    assert [row["prediction"] for row in batch["predictions"]] == labels
    for row, probability in zip(rows[:20] + rows[-1:], expected[:20] + expected[-1:], strict=True):
        single: Any = client.post("/predict", json=row).json
        assert single["probability"] == probability


def test_the_assessment_s_requests_are_decided(client: FlaskClient) -> None:
    single: Any = client.post("/predict", json=ASSESSMENT_SINGLE).json
    batch: Any = client.post("/predict/batch", json=ASSESSMENT_BATCH).json
    assert single["prediction"] in (0, 1)
    assert batch["batch_size"] == 2
    assert batch["predictions"][0]["probability"] == single["probability"]


def test_all_parts_are_healthy(client: FlaskClient) -> None:
    health: Any = client.get("/health").json
    assert health["status"] == "healthy", health
    assert health["checks"]["model_version"] == "1.0.0"


def test_the_model_page_shows_the_origin_of_the_model(client: FlaskClient, trained_home: TrainedHome) -> None:
    page: Any = client.get("/model").json
    (version,) = trained_home.client.search_model_versions(f"name='{MODEL}'")
    assert page["run_id"] == version.run_id
    assert page["dataset_digest"] == version.tags["dataset_digest"]
    assert page["aliases"] == ["champion"]
    assert page["stage"] == "Production"
    assert page["metrics"]["f1"] > 0.9


def test_an_empty_registry_has_nothing_to_serve(tmp_path: Path) -> None:
    models = MlflowModels(f"sqlite:///{tmp_path}/mlflow.db", MODEL, "Production")
    assert models.find_staged() is None
    assert list(tmp_path.iterdir()) == [], "the service must not make the registry's database"


def test_an_unreadable_registry_is_reported_without_details(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"not a database")
    models = MlflowModels(f"sqlite:///{tmp_path}/mlflow.db", MODEL, "Production")
    with pytest.raises(ModelUnavailableError, match=r"the model registry cannot be read \(\w+\)$"):
        models.find_staged()


def registry_of(home: TrainedHome) -> ModelRegistry:
    """Return the registry of a worker that has just started."""
    registry = ModelRegistry(source_of(home), RecordingObserver(), now)
    registry.refresh()
    return registry


def serve_the_first_then_promote_the_second(home: TrainedHome) -> ModelRegistry:
    """Return a registry that serves 1.0.0 and has not noticed yet that 1.0.1 is in Production."""
    put_into_production(home.client, find_version(home.client, MODEL, "1.0.0"), "rollback")
    registry = registry_of(home)
    assert registry.current.version.semantic_version == "1.0.0"
    put_into_production(home.client, find_version(home.client, MODEL, "1.0.1"))
    return registry


def newest_artifact(home: TrainedHome) -> Path:
    return max(home.settings.home.artifacts.glob("models/*/artifacts"), key=lambda path: path.stat().st_mtime_ns)


def register_current_digest(home: TrainedHome) -> None:
    """Register the digest of the newest artifact as it is now, so that its changes do not count as damage."""
    version = find_version(home.client, MODEL, "1.0.1")
    digest = artifact_digest(newest_artifact(home))
    home.client.set_model_version_tag(MODEL, version.version, TAG_ARTIFACT_DIGEST, digest)


def test_a_new_production_version_is_picked_up(two_versions: TrainedHome) -> None:
    registry = serve_the_first_then_promote_the_second(two_versions)
    registry.refresh()
    assert registry.current.version.semantic_version == "1.0.1"
    assert registry.current.scorer.name == "compiled"
    assert registry.problem is None


def test_the_changes_of_production_are_known_without_asking_the_registry(two_versions: TrainedHome) -> None:
    registry = serve_the_first_then_promote_the_second(two_versions)
    before = [(event.action, event.semantic_version) for event in registry.history]
    assert before[-1] == ("rollback", "1.0.0")
    registry.refresh()
    shutil.rmtree(two_versions.settings.home.artifacts)
    after = [(event.action, event.semantic_version) for event in registry.history]
    assert after == [*before, ("promote", "1.0.1")]


def test_a_rollback_needs_no_files_from_the_registry(two_versions: TrainedHome) -> None:
    registry = serve_the_first_then_promote_the_second(two_versions)
    registry.refresh()
    shutil.rmtree(two_versions.settings.home.artifacts)
    put_into_production(two_versions.client, find_version(two_versions.client, MODEL, "1.0.0"), "rollback")
    registry.refresh()
    assert registry.current.version.semantic_version == "1.0.0"
    assert registry.problem is None


@pytest.mark.parametrize("damage", ["truncated", "gone", "extended"])
def test_a_damaged_version_is_rejected(two_versions: TrainedHome, damage: str) -> None:
    registry = serve_the_first_then_promote_the_second(two_versions)
    newest = newest_artifact(two_versions)
    model_file = newest / "model.skops"
    if damage == "truncated":
        model_file.write_bytes(model_file.read_bytes()[:1000])
    elif damage == "gone":
        shutil.rmtree(newest)
    else:
        (newest / "more.txt").write_text("smuggled in", encoding="utf-8")
    registry.refresh()
    assert registry.current.version.semantic_version == "1.0.0"
    assert registry.problem == f"version 2 of {MODEL} was rejected: its files differ from the registered ones"


def test_a_version_for_other_features_is_rejected(two_versions: TrainedHome) -> None:
    registry = serve_the_first_then_promote_the_second(two_versions)
    description = newest_artifact(two_versions) / "MLmodel"
    digest = registry.current.version.facts.feature_schema_digest
    description.write_text(description.read_text().replace(digest, "f" * 64))
    register_current_digest(two_versions)
    registry.refresh()
    assert registry.current.version.semantic_version == "1.0.0"
    assert "was trained on another application form than this service's, loan_approval" in str(registry.problem)


def test_a_version_without_a_digest_is_rejected(two_versions: TrainedHome) -> None:
    """Reject it, as training did not register it and its files cannot be verified."""
    registry = serve_the_first_then_promote_the_second(two_versions)
    version = find_version(two_versions.client, MODEL, "1.0.1")
    two_versions.client.delete_model_version_tag(MODEL, version.version, TAG_ARTIFACT_DIGEST)
    registry.refresh()
    assert registry.current.version.semantic_version == "1.0.0"
    assert "has no digest" in str(registry.problem)


def move_the_threshold_of_the_graph(artifact: Path) -> None:
    """Replace the graph with one with the constant answer 0.3."""
    form = CompiledForm.read(SHIPPED, artifact)
    shutil.rmtree(artifact / "compiled")
    dataclasses.replace(form, graph=constant_graph(len(form.inputs), 0.3)).write(artifact)


def constant_graph(inputs: int, probability: float) -> bytes:
    graph = Graph(inputs)
    zero = graph.add("Mul", graph.add("ReduceSum", "inputs", graph.constant(np.array([1]))), graph.constant(0.0))
    return graph.finish(graph.add("Add", zero, graph.constant(probability)))


def remove_the_compiled_form(artifact: Path) -> None:
    shutil.rmtree(artifact / "compiled")


def cut_the_graph(artifact: Path) -> None:
    graph = artifact / "compiled" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:100])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            move_the_threshold_of_the_graph,
            "the compiled form differs from the pipeline: probabilities are off by up to 0.7",
        ),
        (remove_the_compiled_form, "the model was registered without a compiled form"),
        (cut_the_graph, "the compiled form cannot be loaded"),
    ],
)
def test_where_the_compiled_form_is_not_the_pipeline_the_pipeline_serves(
    two_versions: TrainedHome, change: Callable[[Path], None], why: str
) -> None:
    registry = serve_the_first_then_promote_the_second(two_versions)
    change(newest_artifact(two_versions))
    register_current_digest(two_versions)
    registry.refresh()
    served = registry.current
    assert served.version.semantic_version == "1.0.1"
    assert served.scorer.name == "pipeline"
    assert why in str(served.why_not_compiled)
    golden = ReferencePackage.read(newest_artifact(two_versions)).golden_rows
    assert served.scorer.probability(golden.applications[0]) == golden.probabilities[0]


def test_a_pipeline_that_does_not_reproduce_its_golden_rows_is_rejected(two_versions: TrainedHome) -> None:
    registry = serve_the_first_then_promote_the_second(two_versions)
    newest = newest_artifact(two_versions)
    remove_the_compiled_form(newest)
    file = newest / "reference" / "golden_rows.json"
    golden = json.loads(file.read_text(encoding="utf-8"))
    golden["probabilities"][0] = 0.25
    file.write_text(json.dumps(golden), encoding="utf-8")
    register_current_digest(two_versions)
    registry.refresh()
    assert registry.current.version.semantic_version == "1.0.0"
    assert "does not reproduce its registered decisions" in str(registry.problem)


PROFILE_DAMAGES: dict[str, Callable[[Any], object]] = {
    "no weights": lambda kept: {"profiles": kept["profiles"]},
    "weights that do not sum to 1": lambda kept: {**kept, "weights": [1.5 * weight for weight in kept["weights"]]},
    "no profiles": lambda kept: {"weights": [], "profiles": []},
    "a profile without values": lambda kept: {**kept, "profiles": [[] for _ in kept["profiles"]]},
    "a profile of another form": lambda kept: {**kept, "profiles": [{"age": 40} for _ in kept["profiles"]]},
    "a value out of range": lambda kept: {
        **kept,
        "profiles": [{**profile, "cibil_score": 9_999} for profile in kept["profiles"]],
    },
    "another kind of file": lambda kept: [],
}


@pytest.mark.parametrize("damage", PROFILE_DAMAGES)
def test_a_version_with_damaged_reference_profiles_is_rejected(two_versions: TrainedHome, damage: str) -> None:
    """Reject it even if the damaged files were registered, as its reasons would compare with nonsense."""
    registry = serve_the_first_then_promote_the_second(two_versions)
    file = newest_artifact(two_versions) / "reference" / "profiles.json"
    kept = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(PROFILE_DAMAGES[damage](kept)), encoding="utf-8")
    register_current_digest(two_versions)
    registry.refresh()
    assert registry.current.version.semantic_version == "1.0.0"
    assert "its reference package cannot be read" in str(registry.problem)


@pytest.mark.parametrize("fate", ["deleted", "corrupt"])
def test_without_the_registry_the_last_good_model_serves_also_after_a_restart(own_home: TrainedHome, fate: str) -> None:
    registry = registry_of(own_home)
    database = own_home.settings.loan_home / "mlflow.db"
    if fate == "deleted":
        database.unlink()
        shutil.rmtree(own_home.settings.home.artifacts)
    else:
        database.write_bytes(b"no database any more")
    registry.refresh()
    for worker in (registry, registry_of(own_home)):
        assert worker.current.version.semantic_version == "1.0.0"
        assert worker.problem is not None


@pytest.mark.parametrize("file", ["compiled/model.onnx", "model.skops", "MLmodel", "code/smuggled_in.py"])
def test_files_that_were_changed_in_the_cache_are_not_loaded_but_fetched_again(
    own_home: TrainedHome, file: str
) -> None:
    version = registry_of(own_home).current.version
    changed = cache_of(own_home).path(version.key) / file
    changed.write_bytes(changed.read_bytes() + b"\n" if changed.exists() else b"")
    restarted = registry_of(own_home)
    assert "were damaged; they will be fetched again" in str(restarted.problem)
    restarted.refresh()
    assert restarted.current.version == version
    assert restarted.problem is None


@pytest.mark.parametrize("lacks", ["a digest", "what the digest is of"])
def test_replays_verify_as_the_service_does(own_home: TrainedHome, lacks: str) -> None:
    if lacks == "a digest":
        own_home.client.delete_model_version_tag(MODEL, "1", TAG_ARTIFACT_DIGEST)
    else:
        (newest_artifact(own_home) / "more.txt").write_text("smuggled in", encoding="utf-8")
    with pytest.raises(ModelUnavailableError, match=r"differ from the registered ones$|has no digest"):
        ReplayModels(SHIPPED, own_home.settings, None).of(Decider(MODEL, "1", "1.0.0", 0.5))


class Bomb:
    """Object that creates a folder when unpickled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._folder),)


@pytest.mark.parametrize(("file", "served"), [("compiled/proof.npz", "1.0.1"), ("model.skops", "1.0.0")])
def test_a_pickle_is_not_loaded_even_where_it_was_registered(
    two_versions: TrainedHome, tmp_path: Path, file: str, served: str
) -> None:
    """Replace the proof with a pickle: the pipeline serves. Replace the pipeline: the version is rejected."""
    registry = serve_the_first_then_promote_the_second(two_versions)
    artifact = newest_artifact(two_versions)
    bomb = Bomb(tmp_path / "exploded")
    if file == "model.skops":
        shutil.rmtree(artifact / "compiled")
        (artifact / file).write_bytes(pickle.dumps(bomb))
    else:
        arrays: dict[str, Any] = dict.fromkeys(SHIPPED.names, np.array([bomb], dtype=object))
        np.savez(artifact / file, **arrays)
    register_current_digest(two_versions)
    registry.refresh()
    assert registry.current.version.semantic_version == served
    assert not (tmp_path / "exploded").exists()


def test_a_poll_from_before_the_server_started_is_ignored(own_home: TrainedHome) -> None:
    """Ignore it, as another version may have been promoted since."""
    registry_of(own_home)

    class NoFollower:
        def ensure_running(self) -> None:
            """Start nothing."""

    source = CachedModelSource(SHIPPED, cache_of(own_home), NoFollower(), poll_seconds=1, valid_from=monotonic() + 1)
    assert source.desired() is None


def test_polls_are_dated_by_the_monotonic_clock(own_home: TrainedHome) -> None:
    before = monotonic()
    registry_of(own_home)
    desired = cache_of(own_home).read_desired()
    assert desired is not None
    assert before < desired.polled_at < monotonic()


def test_a_poll_from_before_the_machine_booted_is_ignored(own_home: TrainedHome) -> None:
    """Ignore it, as the monotonic clock restarts at boot and an old poll could look recent."""
    registry_of(own_home)
    file = cache_of(own_home).folder / "desired.json"
    written = json.loads(file.read_bytes())
    file.write_text(json.dumps(written | {"boot": "another"}), encoding="utf-8")
    assert cache_of(own_home).read_desired() is None


def test_only_one_process_follows_a_registry(own_home: TrainedHome) -> None:
    cache = cache_of(own_home)
    with cache.followed() as first, cache.followed() as second:
        assert (first, second) == (True, False)
    with cache.followed() as again:
        assert again


def test_pruning_keeps_the_version_in_use_and_the_newest_others(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    for number in range(1, 7):
        cache.path(f"{number}-a").mkdir(parents=True)
        os.utime(tmp_path / f"{number}-a", (number, number))
    cache.prune(in_use="1-a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-a", "3-a", "4-a", "5-a", "6-a"]
