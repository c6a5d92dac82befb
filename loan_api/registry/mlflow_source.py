"""Models from the MLflow registry."""

import logging
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion as RegistryEntry
from mlflow.models import Model
from sqlalchemy.engine import make_url

from loan_api.credit.errors import ModelUnavailableError
from loan_api.credit.features import example_application, feature_schema_digest
from loan_api.scoring.package import TAG_SEMANTIC_VERSION, ModelFacts, ModelVersion
from loan_api.scoring.scorer import PipelineScorer, Scorer


class MlflowModelSource:
    """The versions of one registered model. What MLflow raises becomes ModelUnavailableError."""

    def __init__(self, tracking_uri: str, model_name: str, stage: str) -> None:
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        self._tracking_uri = tracking_uri
        self._name = model_name
        self._stage = stage

    def find_served_version(self) -> str | None:
        """The newest registry version in the served stage, or None where there is none."""
        if self._is_missing_database():
            return None
        try:
            versions = self._client.search_model_versions(f"name='{self._name}'")
        except Exception as error:
            raise ModelUnavailableError(f"the model registry cannot be read ({type(error).__name__})") from error
        staged = [int(version.version) for version in versions if version.current_stage == self._stage]
        return str(max(staged)) if staged else None

    def load(self, registry_version: str) -> tuple[ModelVersion, Scorer]:
        """Fetches that version, checks that it fits this code, and loads it."""
        try:
            entry = self._client.get_model_version(self._name, registry_version)
            with TemporaryDirectory() as folder:
                artifact = download_artifacts(f"models:/{self._name}/{registry_version}", dst_path=folder)
                facts = ModelFacts.from_metadata(Model.load(artifact).metadata or {})
                self._check_fits(registry_version, facts)
                scorer = PipelineScorer(mlflow.sklearn.load_model(artifact))
            # Shows that it can score, and spares the first applicant the libraries' warm-up.
            scorer.probabilities([example_application()])
            return self._describe(entry, facts), scorer
        except ModelUnavailableError:
            raise
        except Exception as error:
            # An artifact can be broken in as many ways as there are libraries that read it.
            raise ModelUnavailableError(
                f"version {registry_version} of {self._name} cannot be loaded ({type(error).__name__})"
            ) from error

    @cached_property
    def _client(self) -> MlflowClient:
        """Made when it is first needed: making it opens the store, which may be away when the service starts."""
        mlflow.set_tracking_uri(self._tracking_uri)
        return MlflowClient(tracking_uri=self._tracking_uri)

    def _is_missing_database(self) -> bool:
        """Whether the store is a local database that training has yet to make; MLflow would make it on opening."""
        url = make_url(self._tracking_uri) if self._tracking_uri.startswith("sqlite:") else None
        return url is not None and url.database is not None and not Path(url.database).exists()

    def _check_fits(self, registry_version: str, facts: ModelFacts) -> None:
        if facts.feature_schema_digest != feature_schema_digest():
            raise ModelUnavailableError(
                f"version {registry_version} of {self._name} was trained on other features than this service knows"
            )

    def _describe(self, entry: RegistryEntry, facts: ModelFacts) -> ModelVersion:
        return ModelVersion(
            name=self._name,
            registry_version=str(entry.version),
            semantic_version=entry.tags[TAG_SEMANTIC_VERSION],
            stage=self._stage,
            aliases=tuple(entry.aliases),
            run_id=entry.run_id or "",
            facts=facts,
        )
