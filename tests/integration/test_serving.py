"""The service with a real registry: it gives exactly what was trained, and follows the registry."""

import csv
import shutil
from pathlib import Path
from typing import Any

import mlflow
import pytest
from flask.testing import FlaskClient

from loan_api.app import create_app, real_adapters
from loan_api.credit.errors import ModelUnavailableError
from loan_api.credit.features import NUMBERS
from loan_api.credit.frame import applications_frame
from loan_api.registry.mlflow_source import MlflowModelSource
from loan_api.services.model_registry import ModelRegistry
from loan_api.storage.database import upgrade_database
from tests.applications import ASSESSMENT_BATCH, ASSESSMENT_SINGLE
from tests.fakes import RecordingObserver, now
from tests.homes import TrainedHome
from training.data.dataset import COLUMNS
from training.registry.promotion import put_into_production
from training.registry.versions import find_version

MODEL = "loan_approval_model"


def source_of(home: TrainedHome) -> MlflowModelSource:
    return MlflowModelSource(home.settings.mlflow_tracking_uri, MODEL, "Production")


@pytest.fixture
def client(trained_home: TrainedHome, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    upgrade_database(trained_home.settings.database_url)
    return create_app(trained_home.settings, real_adapters(trained_home.settings)).test_client()


def raw_applications(path: Path) -> list[dict[str, Any]]:
    """The file's rows as a client would send them, read without the project's reader."""
    numbers = {number.name for number in NUMBERS}
    with path.open(encoding="utf-8") as file:
        rows = csv.DictReader(file, fieldnames=[*COLUMNS], skipinitialspace=True)
        next(rows)
        return [
            {name: int(value) if name in numbers else value for name, value in row.items() if name in COLUMNS[1:-1]}
            for row in rows
        ]


def test_the_service_gives_exactly_the_registered_pipeline_s_probabilities(
    client: FlaskClient, trained_home: TrainedHome
) -> None:
    """Train/serve parity on raw rows, those with odd assets and a post graduate among them."""
    assert trained_home.settings.dataset_path is not None
    rows = raw_applications(trained_home.settings.dataset_path)
    rows.append(rows[0] | {"education": "Post Graduate"})
    assert any(row["residential_assets_value"] == -100_000 for row in rows)
    mlflow.set_tracking_uri(trained_home.settings.mlflow_tracking_uri)
    pipeline = mlflow.sklearn.load_model(f"models:/{MODEL}/Production")
    expected = pipeline.predict_proba(applications_frame(rows))[:, 1].tolist()
    labels = pipeline.predict(applications_frame(rows)).tolist()

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


def test_the_model_page_tells_where_the_model_came_from(client: FlaskClient, trained_home: TrainedHome) -> None:
    page: Any = client.get("/model").json
    (version,) = trained_home.client.search_model_versions(f"name='{MODEL}'")
    assert page["run_id"] == version.run_id
    assert page["dataset_digest"] == version.tags["dataset_digest"]
    assert page["aliases"] == ["champion"]
    assert page["stage"] == "Production"
    assert page["metrics"]["f1"] > 0.9


def test_an_empty_registry_has_nothing_to_serve(tmp_path: Path) -> None:
    source = MlflowModelSource(f"sqlite:///{tmp_path}/mlflow.db", MODEL, "Production")
    assert source.find_served_version() is None
    assert list(tmp_path.iterdir()) == [], "the service must not make the registry's database"


def test_a_registry_that_cannot_be_read_is_told_without_details(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database at all, whatever its name says")
    source = MlflowModelSource(f"sqlite:///{tmp_path}/mlflow.db", MODEL, "Production")
    with pytest.raises(ModelUnavailableError, match=r"the model registry cannot be read \(\w+\)$"):
        source.find_served_version()


def serve_the_first_then_promote_the_second(home: TrainedHome) -> ModelRegistry:
    """A registry that has loaded 1.0.0 and has yet to see that 1.0.1 is in Production."""
    put_into_production(home.client, find_version(home.client, MODEL, "1.0.0"), "rollback")
    registry = ModelRegistry(source_of(home), RecordingObserver(), now)
    registry.refresh()
    assert registry.current.version.semantic_version == "1.0.0"
    put_into_production(home.client, find_version(home.client, MODEL, "1.0.1"))
    return registry


def test_a_new_production_version_is_picked_up(two_versions: TrainedHome) -> None:
    registry = serve_the_first_then_promote_the_second(two_versions)
    registry.refresh()
    assert registry.current.version.semantic_version == "1.0.1"


@pytest.mark.parametrize("damage", ["truncated", "gone", "other features"])
def test_a_damaged_version_stays_out(two_versions: TrainedHome, damage: str) -> None:
    registry = serve_the_first_then_promote_the_second(two_versions)
    newest = max(
        two_versions.settings.artifacts_path.glob("models/*/artifacts"), key=lambda path: path.stat().st_mtime_ns
    )
    model_file = newest / "model.skops"
    if damage == "truncated":
        model_file.write_bytes(model_file.read_bytes()[:1000])
    elif damage == "gone":
        shutil.rmtree(newest)
    else:
        description = newest / "MLmodel"
        digest = registry.current.version.facts.feature_schema_digest
        description.write_text(description.read_text().replace(digest, "0" * 64))
    registry.refresh()
    assert registry.current.version.semantic_version == "1.0.0"
    expected = "was trained on other features" if damage == "other features" else "cannot be loaded"
    assert expected in str(registry.problem)
