"""Real workers serve a model without a compiled form by its pipeline, and report it."""

import json
import shutil
from typing import Any

import pytest
import requests
from mlflow import MlflowClient

from loan_api.scoring.package import TAG_ARTIFACT_DIGEST, ReferencePackage, artifact_digest
from tests.support.applications import application
from tests.support.following import cache_of
from tests.support.homes import TrainedHome, artifact_of, damage
from tests.support.service import started_service
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.mark.torture
def test_the_pipeline_serves_where_the_compiled_form_does_not_hold(own_home: TrainedHome) -> None:
    home = own_home.settings.loan_home
    with started_service(home) as service:
        assert requests.get(service.url("/model"), timeout=10).json()["scorer"] == "compiled"
        damage(home)

        answers: list[dict[str, Any]] = []

        def all_score_with_the_pipeline() -> bool:
            answers[:] = [requests.get(service.url("/model"), timeout=30).json() for _ in range(10)]
            return {answer["scorer"] for answer in answers} == {"pipeline"}

        wait_until(all_score_with_the_pipeline, "every worker to score with the pipeline")
        assert all("compiled form" in answer["scorer_reason"] for answer in answers)
        golden = ReferencePackage.read(artifact_of(home)).golden_rows
        single = requests.post(service.url("/predict"), json=golden.applications[0], timeout=30).json()
        assert single["probability"] == golden.probabilities[0]
        batch = {"instances": list(golden.applications) * 10}
        answer = requests.post(service.url("/predict/batch"), json=batch, timeout=60).json()
        assert [row["probability"] for row in answer["predictions"]] == list(golden.probabilities) * 10
        assert requests.post(service.url("/predict"), json=application(), timeout=10).status_code == 200
        assert any("pipeline" in name and value == 1 for name, value in service.metrics().items() if "info" in name)
        assert any(line["message"] == "the reference pipeline scores" for line in service.log_lines)


@pytest.mark.torture
def test_a_version_that_stays_out_is_not_tried_again_and_again(own_home: TrainedHome) -> None:
    """Promote a version that can be loaded neither as a pipeline nor as a compiled form."""
    home = own_home.settings.loan_home
    with started_service(home) as service:
        artifact = artifact_of(home)
        shutil.rmtree(artifact / "compiled")
        (artifact / "model.skops").write_bytes(b"nothing of the kind")
        client = MlflowClient(tracking_uri=f"sqlite:///{home}/mlflow.db")
        client.set_model_version_tag("loan_approval_model", "1", TAG_ARTIFACT_DIGEST, artifact_digest(artifact))

        def health() -> str:
            return json.dumps(requests.get(service.url("/health"), timeout=10).json())

        wait_until(lambda: "was rejected" in health(), "the refusal")
        failures = 'loan_model_reloads_total{result="failure"}'
        wait_until(lambda: service.metrics().get(failures) == 2, "the refusal of every worker")
        for _ in range(3):
            wait_for_a_look(own_home)
        assert service.metrics()[failures] == 2
        assert requests.post(service.url("/predict"), json=application(), timeout=10).status_code == 200
        assert "Traceback" not in service.log.read_text(encoding="utf-8")


def wait_for_a_look(home: TrainedHome) -> None:
    """Wait for the follower's next poll; every worker reads its state at least once meanwhile."""

    def last() -> float:
        desired = cache_of(home).read_desired()
        return desired.polled_at if desired else 0.0

    before = last()
    wait_until(lambda: last() > before, "another poll of the registry")
