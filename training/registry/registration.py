"""Registration of a packaged model as the next version, unless an identical one exists."""

from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models.model import ModelInfo

from loan_api.scoring.package import (
    TAG_ARTIFACT_DIGEST,
    TAG_DATASET_DIGEST,
    TAG_FEATURE_SCHEMA_DIGEST,
    TAG_GIT_COMMIT,
    TAG_PROFILES_DIGEST,
    TAG_SEMANTIC_VERSION,
    TAG_THRESHOLD,
    ModelFacts,
)
from training.registry.gate import Verdict
from training.registry.versions import (
    TAG_IDENTITY,
    ModelIdentity,
    next_semantic_version,
    registered_versions,
    semantic_version,
)

_MODEL_DESCRIPTION = (
    "Predicts the approval probability of a loan application. Its input is the raw application; feature derivation and"
    " preprocessing are part of the model. Semantic versions: major, the features or their meaning changed; minor, the"
    " data or the algorithm changed; patch, a refit."
)


@dataclass(frozen=True)
class NewModel:
    """A packaged model before registration: MLflow's record, facts, identity, digests and verdict."""

    logged: ModelInfo
    facts: ModelFacts
    identity: ModelIdentity
    digest: str
    profiles_digest: str | None
    verdict: Verdict


def find_same_model(client: MlflowClient, name: str, identity: ModelIdentity) -> ModelVersion | None:
    """Return the registered version with this identity, or None."""
    for version in registered_versions(client, name):
        if ModelIdentity.of(version) == identity:
            return version
    return None


def register(client: MlflowClient, name: str, model: NewModel) -> ModelVersion:
    """Register the model as the next version of `name`, without a stage, tagged with the gate's verdict."""
    facts = model.facts
    _ensure_registered_model(client, name)
    versions = registered_versions(client, name)
    number, why = next_semantic_version(
        {semantic_version(version): ModelIdentity.of(version) for version in versions}, model.identity
    )
    return client.create_model_version(
        name=name,
        source=model.logged.model_uri,
        run_id=model.logged.run_id,
        model_id=model.logged.model_id,
        description=(
            f"{facts.algorithm}, cross-validated log loss {facts.metrics['cv_log_loss_mean']:.4f},"
            f" holdout F1 {facts.metrics['f1']:.4f}, trained on dataset {facts.dataset_digest[:12]}."
            f" {why.capitalize()}."
        ),
        tags={
            TAG_SEMANTIC_VERSION: number,
            TAG_DATASET_DIGEST: facts.dataset_digest,
            TAG_FEATURE_SCHEMA_DIGEST: facts.feature_schema_digest,
            TAG_GIT_COMMIT: facts.git_commit,
            TAG_THRESHOLD: repr(facts.threshold),
            TAG_ARTIFACT_DIGEST: model.digest,
            TAG_IDENTITY: model.identity.to_tag(),
            **({TAG_PROFILES_DIGEST: model.profiles_digest} if model.profiles_digest else {}),
            "algorithm": facts.algorithm,
            "version_reason": why,
            **model.verdict.to_tags(),
        },
    )


def _ensure_registered_model(client: MlflowClient, name: str) -> None:
    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(name, description=_MODEL_DESCRIPTION)


def keep_verdict(client: MlflowClient, version: ModelVersion, verdict: Verdict) -> None:
    """Replace the gate's verdict on a registered version."""
    for key, value in verdict.to_tags().items():
        client.set_model_version_tag(version.name, version.version, key, value)
