"""The versions in the registry: which there are, which is meant, and which number the next one gets."""

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
    """What makes a model this one and no other: digests and values. Two models of one identity decide alike.

    `behaviour` is a digest of its probabilities for every application of its dataset and for a fixed set of made-up
    ones; `code` of the code that it ships; `libraries` what it needs to be loaded.
    """

    feature_schema: str
    dataset: str
    algorithm: str
    threshold: str
    behaviour: str
    code: str
    libraries: str

    def to_tag(self) -> str:
        """As text for the version's tag."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of(cls, version: ModelVersion) -> "ModelIdentity":
        """The identity that a registered version was tagged with."""
        return cls(**json.loads(version.tags[TAG_IDENTITY]))

    def differences(self, other: "ModelIdentity") -> list[str]:
        """What differs, in words."""
        return [
            field.name.replace("_", " ")
            for field in fields(self)
            if getattr(self, field.name) != getattr(other, field.name)
        ]


def registered_versions(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Every version of `name` that training registered, by ascending semantic version."""
    found = client.search_model_versions(f"name='{name}'")
    return sorted((version for version in found if TAG_IDENTITY in version.tags), key=_order)


def production_version(client: MlflowClient, name: str) -> ModelVersion | None:
    """The version of `name` in Production, or None. Where somebody else has put several there, the newest."""
    versions = [v for v in registered_versions(client, name) if v.current_stage == PRODUCTION]
    newest = max(versions, key=lambda version: int(version.version), default=None)
    # A search leaves the aliases out.
    return None if newest is None else client.get_model_version(name, newest.version)


def count_in_production(client: MlflowClient, name: str) -> int:
    """How many versions of `name` are in Production, whoever registered them."""
    return sum(v.current_stage == PRODUCTION for v in client.search_model_versions(f"name='{name}'"))


def find_version(client: MlflowClient, name: str, wanted: str | None) -> ModelVersion:
    """The version called `wanted`, a semantic version or the registry's number; without it the newest.

    Raises VersionError where there is none.
    """
    versions = registered_versions(client, name)
    if not versions:
        raise VersionError(f"no version of {name} is registered; python -m training run makes one")
    if wanted is None:
        return max(versions, key=lambda version: int(version.version))
    for version in versions:
        if wanted in (semantic_version(version), str(version.version)):
            return version
    known = ", ".join(semantic_version(version) for version in versions)
    raise VersionError(f"{name} has no version {wanted}; there are {known}")


def semantic_version(version: ModelVersion) -> str:
    """The version's semantic version."""
    return str(version.tags[TAG_SEMANTIC_VERSION])


def next_semantic_version(previous: Mapping[str, ModelIdentity], identity: ModelIdentity) -> tuple[str, str]:
    """The semantic version that a model of this identity gets after the previous ones, and why.

    It counts on from the highest. Major: the features or their meaning changed. Minor: other data or another algorithm.
    Patch: a refit, which differs in nothing but its behaviour, threshold, code or libraries.
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
