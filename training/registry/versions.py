"""Versions of the registered model: looking them up and numbering the next one.

Anyone may register a version in MLflow. Versions from training carry an identity tag; the others are foreign: they
have no semantic version and cannot be judged or served, but may be in Production.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from loan_api.scoring.package import TAG_SEMANTIC_VERSION
from training.errors import VersionError

PRODUCTION = "Production"
FIRST_VERSION = "1.0.0"
TAG_IDENTITY = "identity"


@dataclass(frozen=True)
class ModelIdentity:
    """The digests and values that distinguish models. Two models with equal identities make equal decisions.

    `behaviour` is a digest of the probabilities for the whole dataset and a fixed set of invented applications, `code`
    a digest of the shipped code, and `libraries` the pinned requirements for loading the model.
    """

    feature_schema: str
    dataset: str
    algorithm: str
    threshold: str
    behaviour: str
    code: str
    libraries: str

    def to_tag(self) -> str:
        """Return the text of the version's identity tag."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of(cls, version: ModelVersion) -> "ModelIdentity":
        """Parse the identity tag of a registered version."""
        return cls(**json.loads(version.tags[TAG_IDENTITY]))

    def differences(self, other: "ModelIdentity") -> list[str]:
        """Return the names of the differing fields, in words."""
        return [
            field.name.replace("_", " ")
            for field in fields(self)
            if getattr(self, field.name) != getattr(other, field.name)
        ]


def registered_versions(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Return every version of `name` from training, by ascending semantic version."""
    found = client.search_model_versions(f"name='{name}'")
    return sorted((version for version in found if is_from_training(version)), key=_order)


def production_version(client: MlflowClient, name: str) -> ModelVersion | None:
    """Return the version of `name` in Production, from training or foreign, or None.

    If someone has put several there, versions from training take precedence, then the newest.
    """
    staged = [v for v in client.search_model_versions(f"name='{name}'") if v.current_stage == PRODUCTION]
    chosen = max(staged, key=lambda version: (is_from_training(version), int(version.version)), default=None)
    # Search results lack the aliases.
    return None if chosen is None else client.get_model_version(name, chosen.version)


def champion_version(client: MlflowClient, name: str) -> ModelVersion | None:
    """Return the version that a challenger must beat: the one in Production, or None if that one is foreign."""
    version = production_version(client, name)
    return version if version is not None and is_from_training(version) else None


def is_from_training(version: ModelVersion) -> bool:
    """Return True for a version that training registered, False for a foreign one."""
    return TAG_IDENTITY in version.tags


def count_in_production(client: MlflowClient, name: str) -> int:
    """Count the versions of `name` in Production, foreign ones included."""
    return sum(v.current_stage == PRODUCTION for v in client.search_model_versions(f"name='{name}'"))


def find_version(client: MlflowClient, name: str, wanted: str | None) -> ModelVersion:
    """Return the version from training that `wanted` names by semantic version or registry number, or the newest.

    Raises VersionError if no version matches.
    """
    versions = registered_versions(client, name)
    if not versions:
        raise VersionError(f"no version of {name} is registered; python -m training run registers one")
    if wanted is None:
        return max(versions, key=lambda version: int(version.version))
    for version in versions:
        if wanted in (semantic_version(version), str(version.version)):
            return version
    known = ", ".join(semantic_version(version) for version in versions)
    raise VersionError(f"{name} has no version {wanted}; it has {known}")


def semantic_version(version: ModelVersion) -> str:
    """Return the version's semantic version, or `unknown` for a foreign version without one."""
    return str(version.tags.get(TAG_SEMANTIC_VERSION, "unknown"))


def next_semantic_version(previous: Mapping[str, ModelIdentity], identity: ModelIdentity) -> tuple[str, str]:
    """Return the semantic version that follows the highest previous one, and the reason.

    Major: the features or their meaning changed. Minor: the data or the algorithm changed. Patch: a refit, which
    differs only in behaviour, threshold, code or libraries.
    """
    if not previous:
        return FIRST_VERSION, "the first version"
    highest = max(previous, key=_numbers)
    major, minor, patch = _numbers(highest)
    changed = identity.differences(previous[highest])
    why = f"compared with {highest}, changed: {', '.join(changed)}"
    if "feature schema" in changed:
        return f"{major + 1}.0.0", f"major: {why}"
    if "dataset" in changed or "algorithm" in changed:
        return f"{major}.{minor + 1}.0", f"minor: {why}"
    return f"{major}.{minor}.{patch + 1}", f"patch: {why}"


def _order(version: ModelVersion) -> tuple[int, ...]:
    return _numbers(semantic_version(version))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
