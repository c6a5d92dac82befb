"""The contents of a registered model version: names and files that training writes and the service reads."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec

from loan_api.credit.form import Form, parse_form
from loan_api.credit.reference import ReferenceDistribution
from loan_api.credit.reliability import Reliability
from loan_api.scoring.profiles import ReferenceProfiles

CHAMPION_ALIAS = "champion"
# Tags of a registry version: few and stable. Everything else is metadata inside the artifact.
TAG_SEMANTIC_VERSION = "semantic_version"
TAG_DATASET_DIGEST = "dataset_digest"
TAG_FEATURE_SCHEMA_DIGEST = "feature_schema_digest"
TAG_GIT_COMMIT = "git_commit"
TAG_THRESHOLD = "threshold"
TAG_ARTIFACT_DIGEST = "artifact_digest"
TAG_PROFILES_DIGEST = "profiles_digest"

# The reference package: files next to the model inside the artifact.
REFERENCE_FOLDER = "reference"
_FORM = "features.toml"
_FEATURES = "features.json"
_DISTRIBUTION = "distribution.json"
_GOLDEN_ROWS = "golden_rows.json"
_RELIABILITY = "reliability.json"
_MODEL_CARD = "model_card.md"
_PROFILES = "profiles.json"
# MLflow adds the first when it downloads a registered version, Python the second when it imports the shipped code.
_NOT_OURS = frozenset({"registered_model_meta", "__pycache__"})


@dataclass(frozen=True)
class ModelFacts:
    """Facts about a fitted model, stored as metadata inside its artifact."""

    algorithm: str
    threshold: float
    metrics: Mapping[str, float]
    dataset_digest: str
    feature_schema_digest: str
    git_commit: str

    def to_metadata(self) -> dict[str, Any]:
        """Return the facts as plain values for the artifact."""
        return dataclasses.asdict(self)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Self:
        """Parse facts written by `to_metadata`, ignoring unknown keys.

        Raises ValueError if a fact is missing or has the wrong type.
        """
        try:
            return msgspec.convert(dict(metadata), cls)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True)
class GoldenRows:
    """Invented applications and the probabilities that the model must return for them."""

    applications: Sequence[Mapping[str, Any]]
    probabilities: Sequence[float]

    def largest_deviation(self, probabilities: Iterable[float]) -> float:
        """Return the largest absolute difference from the expected probabilities, given in the same order."""
        pairs = zip(self.probabilities, probabilities, strict=True)
        return max(abs(expected - actual) for expected, actual in pairs)


@dataclass(frozen=True)
class ReferencePackage:
    """The documentation that accompanies a model's weights.

    `form` is the text of the form that the model was trained on; models from before there were forms have None.
    `features` describes each declared feature, `distribution` the training data. `golden_rows` prove that a loaded
    model is the registered one. `model_card` is Markdown for people. `profiles` are those to which reasons compare
    applications, `reliability` compares probabilities with outcomes on the holdout; older models have None.
    """

    form: str | None
    features: Sequence[Mapping[str, Any]]
    distribution: ReferenceDistribution
    golden_rows: GoldenRows
    model_card: str
    profiles: ReferenceProfiles | None = None
    reliability: Reliability | None = None

    def write(self, folder: Path) -> None:
        """Write the package's files into the new folder `folder`."""
        folder.mkdir(parents=True)
        contents: dict[str, Any] = {
            _FEATURES: list(self.features),
            _DISTRIBUTION: self.distribution.to_json(),
            _GOLDEN_ROWS: dataclasses.asdict(self.golden_rows),
        }
        if self.profiles is not None:
            contents[_PROFILES] = self.profiles.to_json()
        if self.reliability is not None:
            contents[_RELIABILITY] = self.reliability.to_json()
        for name, content in contents.items():
            (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        (folder / _MODEL_CARD).write_text(self.model_card, encoding="utf-8")
        if self.form is not None:
            (folder / _FORM).write_text(self.form, encoding="utf-8", newline="")

    def model_form(self, own: Form) -> Form:
        """Return the model's form; the service's `own` if they are equal or the model carries none.

        Raises FormError if the model's is not valid.
        """
        return own if self.form is None or self.form == own.text else parse_form(self.form)

    @classmethod
    def read(cls, artifact: Path) -> Self:
        """Read the package from the artifact.

        Raises OSError if a file is missing, ValueError or KeyError if one is damaged.
        """
        folder = artifact / REFERENCE_FOLDER

        def content(name: str) -> Any:
            return json.loads((folder / name).read_text(encoding="utf-8"))

        form, profiles, reliability = folder / _FORM, folder / _PROFILES, folder / _RELIABILITY
        return cls(
            form=form.read_text(encoding="utf-8") if form.exists() else None,
            features=content(_FEATURES),
            distribution=ReferenceDistribution.from_json(content(_DISTRIBUTION)),
            golden_rows=GoldenRows(**content(_GOLDEN_ROWS)),
            model_card=(folder / _MODEL_CARD).read_text(encoding="utf-8"),
            profiles=ReferenceProfiles.from_json(content(_PROFILES)) if profiles.exists() else None,
            reliability=Reliability.from_json(content(_RELIABILITY)) if reliability.exists() else None,
        )


@dataclass(frozen=True)
class ModelVersion:
    """One version in the registry: its identity, its stage and aliases, and the facts about its model."""

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
        """Identify the model itself: a recreated registry counts its versions from 1 again."""
        return f"{self.registry_version}-{self.artifact_digest[:12]}"


def profiles_digest(artifact: Path) -> str | None:
    """Return the SHA-256 (hex) of the artifact's reference profiles, or None if it has none."""
    file = artifact / REFERENCE_FOLDER / _PROFILES
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None


def artifact_digest(artifact: Path) -> str:
    """Return the SHA-256 (hex) over the names and contents of all files of the artifact."""
    digest = hashlib.sha256()
    for path in sorted(artifact.rglob("*")):
        name = path.relative_to(artifact)
        if path.is_file() and not _NOT_OURS.intersection(name.parts):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{content} {name.as_posix()}\n".encode())
    return digest.hexdigest()
