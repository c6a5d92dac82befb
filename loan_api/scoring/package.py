"""What a registered model version carries: the names and files that training writes and the service reads."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec

from loan_api.credit.reference import ReferenceDistribution

CHAMPION_ALIAS = "champion"
# Tags of a registry version. They are few and stable; everything else is metadata inside the artifact.
TAG_SEMANTIC_VERSION = "semantic_version"
TAG_DATASET_DIGEST = "dataset_digest"
TAG_FEATURE_SCHEMA_DIGEST = "feature_schema_digest"
TAG_GIT_COMMIT = "git_commit"
TAG_THRESHOLD = "threshold"
TAG_ARTIFACT_DIGEST = "artifact_digest"

# The reference package: files beside the model inside the artifact.
REFERENCE_FOLDER = "reference"
_FEATURES = "features.json"
_DISTRIBUTION = "distribution.json"
_GOLDEN_ROWS = "golden_rows.json"
_MODEL_CARD = "model_card.md"
# MLflow adds the first when it fetches a registered version, Python the second when it imports the shipped code.
_NOT_OURS = frozenset({"registered_model_meta", "__pycache__"})


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
        """The facts that `to_metadata` wrote; what it does not know is ignored.

        Raises ValueError for one that is missing or not of its type.
        """
        try:
            return msgspec.convert(dict(metadata), cls)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True)
class GoldenRows:
    """Applications that no applicant ever made, and the probabilities that the model must give them."""

    applications: Sequence[Mapping[str, Any]]
    probabilities: Sequence[float]

    def largest_deviation(self, probabilities: Iterable[float]) -> float:
        """The largest absolute difference between the expected probabilities and these, in the same order."""
        pairs = zip(self.probabilities, probabilities, strict=True)
        return max(abs(expected - actual) for expected, actual in pairs)


@dataclass(frozen=True)
class ReferencePackage:
    """What a model must be known by besides its weights.

    `features` describes each declared feature, `distribution` is what training saw, `golden_rows` prove that a loaded
    model is the one that was registered, and `model_card` is for people (Markdown).
    """

    features: Sequence[Mapping[str, Any]]
    distribution: ReferenceDistribution
    golden_rows: GoldenRows
    model_card: str

    def write(self, folder: Path) -> None:
        """Writes the package's files into `folder`, which is made."""
        folder.mkdir(parents=True)
        contents = {
            _FEATURES: list(self.features),
            _DISTRIBUTION: self.distribution.to_json(),
            _GOLDEN_ROWS: dataclasses.asdict(self.golden_rows),
        }
        for name, content in contents.items():
            (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        (folder / _MODEL_CARD).write_text(self.model_card, encoding="utf-8")

    @classmethod
    def read(cls, artifact: Path) -> Self:
        """The package inside the artifact at `artifact`.

        Raises OSError for a file that is not there, ValueError or KeyError for one that is damaged.
        """
        folder = artifact / REFERENCE_FOLDER

        def content(name: str) -> Any:
            return json.loads((folder / name).read_text(encoding="utf-8"))

        return cls(
            features=content(_FEATURES),
            distribution=ReferenceDistribution.from_json(content(_DISTRIBUTION)),
            golden_rows=GoldenRows(**content(_GOLDEN_ROWS)),
            model_card=(folder / _MODEL_CARD).read_text(encoding="utf-8"),
        )


@dataclass(frozen=True)
class ModelVersion:
    """One version in the registry: where it stands there, and the facts of its model."""

    name: str
    registry_version: str
    semantic_version: str
    stage: str
    aliases: tuple[str, ...]
    run_id: str
    artifact_digest: str
    facts: ModelFacts

    @property
    def key(self) -> str:
        """Names the model itself: registries that were made anew count their versions from 1 again."""
        return f"{self.registry_version}-{self.artifact_digest[:12]}"


def artifact_digest(artifact: Path) -> str:
    """SHA-256 (hex) over the names and contents of every file of the artifact in that folder."""
    digest = hashlib.sha256()
    for path in sorted(artifact.rglob("*")):
        name = path.relative_to(artifact)
        if path.is_file() and not _NOT_OURS.intersection(name.parts):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{content} {name.as_posix()}\n".encode())
    return digest.hexdigest()
