"""Faults of the tracking database, its artifacts and promotions."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from loan_api.scoring.package import TAG_ARTIFACT_DIGEST, artifact_digest
from tests.support.homes import TrainedHome, run_training
from tests.torture.fault import Scene, fault
from training.registry.promotion import unsettled
from training.registry.versions import count_in_production, find_version

GRAPH = "compiled/model.onnx"


def _promoted_by_training(home: TrainedHome, version: str) -> None:
    """Promote in a new process, which has no cached state of the registry."""
    finished = run_training(home.environ, "promote", version)
    assert finished.returncode == 0, finished.stderr


def _artifact_of(home: TrainedHome, version: str) -> Path:
    digest = find_version(home.client, home.settings.model_name, version).tags[TAG_ARTIFACT_DIGEST]
    folders = home.settings.loan_home.glob("mlartifacts/models/*/artifacts")
    return next(folder for folder in folders if artifact_digest(folder) == digest)


@fault(
    "tracking database locked", "the served model stays in service; `/health` is degraded until the lock is released"
)
def locked(scene: Scene) -> Iterator[None]:
    with closing(sqlite3.connect(scene.home / "mlflow.db", isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        scene.wait_for_health("registry")
        yield
        connection.execute("ROLLBACK")


@fault(
    "tracking database deleted",
    "the served model stays in service; promotions are followed again once the file is restored",
)
def deleted(scene: Scene) -> Iterator[None]:
    file, moved = scene.home / "mlflow.db", scene.home / "mlflow.db.moved"
    file.rename(moved)
    scene.wait_for_health("registry")
    yield
    moved.rename(file)
    _promoted_by_training(scene.stage.home, "1.0.1")


@fault("tracking database corrupted", "as if it were deleted")
def corrupted(scene: Scene) -> Iterator[None]:
    file, moved = scene.home / "mlflow.db", scene.home / "mlflow.db.moved"
    shutil.copyfile(file, moved)
    with file.open("r+b") as damaged:
        damaged.write(os.urandom(65_536))
    scene.wait_for_health("registry")
    yield
    moved.rename(file)
    _promoted_by_training(scene.stage.home, "1.0.1")


@fault(
    "artifact store unreachable", "a version that cannot be fetched is rejected until it can; the previous one serves"
)
def unreachable(scene: Scene) -> Iterator[None]:
    store, moved = scene.home / "mlartifacts", scene.home / "mlartifacts.moved"
    store.rename(moved)
    scene.promote("1.0.1")
    scene.wait_for_health("registry")
    yield
    moved.rename(store)


@fault("artifact truncated", "its digest does not match, so it is rejected until repaired; the previous version serves")
def truncated(scene: Scene) -> Iterator[None]:
    graph = _artifact_of(scene.stage.home, "1.0.1") / GRAPH
    whole = graph.read_bytes()
    os.truncate(graph, len(whole) // 2)
    scene.promote("1.0.1")
    scene.wait_for_health("registry")
    yield
    graph.write_bytes(whole)


@fault("promotion of a broken model", "it is rejected although its digest matches; the previous version serves")
def broken(scene: Scene) -> Iterator[None]:
    home = scene.stage.home
    artifact = _artifact_of(home, "1.0.1")
    (artifact / "model.skops").write_bytes(b"nothing of the kind")
    shutil.rmtree(artifact / "compiled")
    number = find_version(home.client, home.settings.model_name, "1.0.1").version
    digest = artifact_digest(artifact)
    home.client.set_model_version_tag(home.settings.model_name, number, TAG_ARTIFACT_DIGEST, digest)
    scene.promote("1.0.1")
    scene.wait_for_health("registry")
    yield
    scene.promote("1.0.0")


@fault("two promotions and a rollback at once", "they run one after the other: one version is in Production and served")
def at_once(scene: Scene) -> Iterator[None]:
    home = scene.stage.home
    _promoted_by_training(home, "1.0.1")
    orders = (("promote", "1.0.0"), ("promote", "1.0.1"), ("rollback",))
    with ThreadPoolExecutor(len(orders)) as pool:
        # They run one after another and share the processors with the load; each imports MLflow up to three times.
        asked = [pool.submit(run_training, home.environ, *order, seconds=400) for order in orders]
        yield
        ended = [each.result() for each in asked]
    assert [each.args for each in ended if not _is_clear(each)] == []
    assert count_in_production(home.client, home.settings.model_name) == 1
    assert not unsettled(home.client, home.settings.model_name)


def _is_clear(ended: subprocess.CompletedProcess[str]) -> bool:
    """Return whether the command succeeded silently, or failed with a one-line error."""
    said = ended.stderr.splitlines()
    return not said if ended.returncode == 0 else len(said) == 1 and said[0].startswith("Error: ")
