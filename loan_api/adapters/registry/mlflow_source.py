"""The versions of one model in the MLflow registry."""

import logging
import os
from functools import cached_property
from pathlib import Path

# Report an unreachable registry within seconds; MLflow's default takes many minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
# If tqdm is installed, MLflow would draw progress bars into the log and between the lines of a replay.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion as RegistryEntry
from mlflow.models import Model

from loan_api.errors import ModelUnavailableError
from loan_api.home import sqlite_path
from loan_api.scoring.package import TAG_ARTIFACT_DIGEST, TAG_SEMANTIC_VERSION, ModelFacts, ModelVersion
from loan_api.scoring.promotions import Event, events_of


class MlflowModels:
    """Reads versions of one model. Errors of MLflow become ModelUnavailableError."""

    def __init__(self, tracking_uri: str, model_name: str, stage: str) -> None:
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        self._tracking_uri = tracking_uri
        self._name = model_name
        self._stage = stage

    def find_staged(self) -> RegistryEntry | None:
        """Return the newest version in the served stage, or None."""
        if self._is_missing_database():
            return None
        try:
            versions = self._client.search_model_versions(f"name='{self._name}'")
            staged = [int(version.version) for version in versions if version.current_stage == self._stage]
            # Search results lack the aliases.
            return self._client.get_model_version(self._name, str(max(staged))) if staged else None
        except Exception as error:
            raise ModelUnavailableError(f"the model registry cannot be read ({type(error).__name__})") from error

    def find_registered(self, registry_version: str) -> RegistryEntry:
        """Return the version with that number, in any stage. Raises ModelUnavailableError."""
        try:
            return self._client.get_model_version(self._name, registry_version)
        except Exception as error:
            raise ModelUnavailableError(
                f"version {registry_version} of {self._name} is unavailable ({type(error).__name__})"
            ) from error

    def find_number(self, registry_version: str) -> RegistryEntry | None:
        """Return the version with that number, or None if the registry does not have it.

        Raises ModelUnavailableError if the registry cannot be read.
        """
        try:
            return self._client.get_model_version(self._name, registry_version)
        except mlflow.MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise ModelUnavailableError(f"the model registry cannot be read ({type(error).__name__})") from error
        except Exception as error:
            raise ModelUnavailableError(f"the model registry cannot be read ({type(error).__name__})") from error

    def find_semantic(self, semantic_version: str) -> RegistryEntry:
        """Return the newest version with that semantic version, in any stage. Raises ModelUnavailableError."""
        try:
            versions = self._client.search_model_versions(f"name='{self._name}'")
        except Exception as error:
            raise ModelUnavailableError(f"the model registry cannot be read ({type(error).__name__})") from error
        named = [int(v.version) for v in versions if v.tags.get(TAG_SEMANTIC_VERSION) == semantic_version]
        if not named:
            raise ModelUnavailableError(f"there is no version {semantic_version} of {self._name}")
        return self.find_registered(str(max(named)))

    def history(self) -> list[Event]:
        """Return the changes of Production, oldest first. Raises ModelUnavailableError."""
        try:
            return events_of(self._client.get_registered_model(self._name).tags)
        except Exception as error:
            raise ModelUnavailableError(f"the model registry cannot be read ({type(error).__name__})") from error

    def digest_of(self, entry: RegistryEntry) -> str:
        """Return the registered digest of the version's files. Raises ModelUnavailableError if it has none."""
        try:
            return str(entry.tags[TAG_ARTIFACT_DIGEST])
        except KeyError:
            raise ModelUnavailableError("it has no digest to verify it by; training did not register it") from None

    def fetch(self, entry: RegistryEntry, folder: Path) -> Path:
        """Download the version's files into `folder` and return the path of the artifact."""
        try:
            uri = f"models:/{self._name}/{entry.version}"
            return Path(download_artifacts(uri, dst_path=str(folder), tracking_uri=self._tracking_uri))
        except Exception as error:
            raise ModelUnavailableError(f"it cannot be fetched ({type(error).__name__})") from error

    def describe(self, entry: RegistryEntry, artifact: Path) -> ModelVersion:
        """Convert the registry's entry to a ModelVersion with the facts from its artifact."""
        try:
            facts = ModelFacts.from_metadata(Model.load(str(artifact)).metadata or {})
            return ModelVersion(
                name=self._name,
                registry_version=str(entry.version),
                semantic_version=entry.tags[TAG_SEMANTIC_VERSION],
                stage=self._stage,
                aliases=tuple(entry.aliases),
                run_id=entry.run_id or "",
                artifact_digest=self.digest_of(entry),
                facts=facts,
            )
        except (KeyError, ValueError, OSError, mlflow.MlflowException) as error:
            raise ModelUnavailableError(f"its metadata cannot be read ({type(error).__name__})") from error

    @cached_property
    def _client(self) -> MlflowClient:
        """Create the client on first use, because creation opens the store, which may be unavailable at startup."""
        mlflow.set_tracking_uri(self._tracking_uri)
        return MlflowClient(tracking_uri=self._tracking_uri)

    def _is_missing_database(self) -> bool:
        """Return whether the store is a local database that does not exist yet; MLflow would create it on opening."""
        database = sqlite_path(self._tracking_uri)
        return database is not None and not database.exists()
