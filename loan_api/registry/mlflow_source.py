"""Models from the MLflow registry."""

import logging
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.models import Model

from loan_api.credit.errors import ModelUnavailableError
from loan_api.credit.features import example_application, feature_schema_digest
from loan_api.scoring.package import TAG_SEMANTIC_VERSION, ModelFacts, ModelVersion
from loan_api.scoring.scorer import PipelineScorer, Scorer


class MlflowModelSource:
    """The versions of one registered model. What MLflow raises becomes ModelUnavailableError."""

    def __init__(self, tracking_uri: str, model_name: str, stage: str) -> None:
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        mlflow.set_tracking_uri(tracking_uri)
        self._client = MlflowClient(tracking_uri=tracking_uri)
        self._name = model_name
        self._stage = stage

    def find_served_version(self) -> str | None:
        """The newest registry version in the served stage, or None where there is none."""
        try:
            versions = self._client.search_model_versions(f"name='{self._name}'")
        except Exception as error:
            raise ModelUnavailableError(f"the model registry cannot be read ({type(error).__name__})") from error
        staged = [int(version.version) for version in versions if version.current_stage == self._stage]
        return str(max(staged)) if staged else None

    def load(self, registry_version: str) -> tuple[ModelVersion, Scorer]:
        """Downloads that version where its artifacts are remote, checks that it fits this code, and loads it."""
        try:
            folder = Path(mlflow.artifacts.download_artifacts(f"models:/{self._name}/{registry_version}"))
            facts = ModelFacts.from_metadata(Model.load(folder).metadata or {})
            self._check_fits(registry_version, facts)
            scorer = PipelineScorer(mlflow.sklearn.load_model(str(folder)))
            # Shows that it can score, and spares the first applicant the libraries' warm-up.
            scorer.probabilities([example_application()])
            return self._describe(registry_version, facts), scorer
        except ModelUnavailableError:
            raise
        except Exception as error:
            # An artifact can be broken in as many ways as there are libraries that read it.
            raise ModelUnavailableError(
                f"version {registry_version} of {self._name} cannot be loaded ({type(error).__name__})"
            ) from error

    def _check_fits(self, registry_version: str, facts: ModelFacts) -> None:
        if facts.feature_schema_digest != feature_schema_digest():
            raise ModelUnavailableError(
                f"version {registry_version} of {self._name} was trained on other features than this service knows"
            )

    def _describe(self, registry_version: str, facts: ModelFacts) -> ModelVersion:
        entry = self._client.get_model_version(self._name, registry_version)
        return ModelVersion(
            name=self._name,
            registry_version=registry_version,
            semantic_version=entry.tags[TAG_SEMANTIC_VERSION],
            stage=self._stage,
            aliases=tuple(entry.aliases),
            run_id=entry.run_id or "",
            facts=facts,
        )
