"""Which version is in production."""

import warnings

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from loan_api.scoring.package import CHAMPION_ALIAS

PRODUCTION = "Production"


def promote(client: MlflowClient, version: ModelVersion) -> None:
    """Makes `version` the only one in Production and points the champion alias at it. Repeating it changes nothing."""
    with warnings.catch_warnings():
        # MLflow deprecates stages in favour of aliases; the service's contract has both.
        warnings.simplefilter("ignore", FutureWarning)
        client.transition_model_version_stage(
            version.name, version.version, stage=PRODUCTION, archive_existing_versions=True
        )
    client.set_registered_model_alias(version.name, CHAMPION_ALIAS, version.version)


def production_version(client: MlflowClient, name: str) -> ModelVersion | None:
    """The version of `name` in Production, or None."""
    versions = [v for v in registered_versions(client, name) if v.current_stage == PRODUCTION]
    return max(versions, key=lambda version: int(version.version), default=None)


def registered_versions(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Every version of `name`, in no particular order; none where the model is not registered."""
    return list(client.search_model_versions(f"name='{name}'"))
