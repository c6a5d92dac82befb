"""What a registered model version carries: the names that training writes and the service reads."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

CHAMPION_ALIAS = "champion"
# Tags of a registry version. They are few and stable; everything else is metadata inside the artifact.
TAG_SEMANTIC_VERSION = "semantic_version"
TAG_DATASET_DIGEST = "dataset_digest"
TAG_FEATURE_SCHEMA_DIGEST = "feature_schema_digest"
TAG_GIT_COMMIT = "git_commit"
TAG_THRESHOLD = "threshold"


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model when it is fitted. Kept as metadata inside the artifact, so that it travels with it."""

    algorithm: str
    threshold: float
    metrics: Mapping[str, float]
    dataset_digest: str
    feature_schema_digest: str
    git_commit: str

    def to_metadata(self) -> dict[str, Any]:
        """As plain values for the artifact."""
        return dataclasses.asdict(self)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Self:
        """The facts that `to_metadata` wrote; what it does not know is ignored. Raises KeyError for a missing one."""
        return cls(**{field.name: metadata[field.name] for field in dataclasses.fields(cls)})


@dataclass(frozen=True)
class ModelVersion:
    """One version in the registry: where it stands there, and the facts of its model."""

    name: str
    registry_version: str
    semantic_version: str
    stage: str
    aliases: tuple[str, ...]
    run_id: str
    facts: ModelFacts
