"""Stand-ins for what lies outside the service: small, real classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from loan_api.credit.errors import ModelUnavailableError, StorageError
from loan_api.scoring.package import ModelFacts, ModelVersion
from loan_api.scoring.scorer import Application, Scorer
from loan_api.services.model_registry import ServedModel

NOW = datetime(2024, 3, 13, 10, 30, tzinfo=UTC)


def model_version(registry_version: str = "1", semantic_version: str = "1.0.0") -> ModelVersion:
    """A version with made-up facts."""
    facts = ModelFacts(
        algorithm="decision_tree",
        threshold=0.5,
        metrics={"f1": 0.99},
        dataset_digest="d" * 64,
        feature_schema_digest="f" * 64,
        git_commit="c" * 40,
    )
    return ModelVersion(
        name="loan_approval_model",
        registry_version=registry_version,
        semantic_version=semantic_version,
        stage="Production",
        aliases=("champion",),
        run_id="r" * 32,
        facts=facts,
    )


class ScoreByCreditScore:
    """P(approved) grows evenly from 0 at a credit score of 300 to 1 at 900."""

    name = "fake"

    def probabilities(self, applications: Sequence[Application]) -> list[float]:
        return [(application["cibil_score"] - 300) / 600 for application in applications]


class BrokenScorer:
    """Fails as a defect would, its message quoting an applicant."""

    name = "broken"

    def probabilities(self, applications: Sequence[Application]) -> list[float]:
        raise ValueError(f"cannot score {applications[0]['income_annum']}")


@dataclass
class FakeModelSource:
    """A registry in memory: what should be served, and the versions that can be loaded."""

    wanted: str | None = "1"
    versions: Mapping[str, tuple[ModelVersion, Scorer]] = field(
        default_factory=lambda: {
            "1": (model_version("1", "1.0.0"), ScoreByCreditScore()),
            "2": (model_version("2", "1.1.0"), ScoreByCreditScore()),
        }
    )
    is_reachable: bool = True
    loads: list[str] = field(default_factory=list)

    def find_served_version(self) -> str | None:
        if not self.is_reachable:
            raise ModelUnavailableError("the registry is away")
        return self.wanted

    def load(self, registry_version: str) -> tuple[ModelVersion, Scorer]:
        self.loads.append(registry_version)
        if registry_version not in self.versions:
            raise ModelUnavailableError(f"version {registry_version} is broken")
        return self.versions[registry_version]


@dataclass
class FakeDatabase:
    """A database that answers, or says why not."""

    problem: str | None = None

    def check(self) -> None:
        if self.problem is not None:
            raise StorageError(self.problem)


@dataclass
class RecordingObserver:
    """Keeps what it is told, in order."""

    events: list[tuple[object, ...]] = field(default_factory=list)

    def model_loaded(self, model: ServedModel, replaced: ServedModel | None) -> None:
        old = replaced.version.registry_version if replaced else None
        self.events.append(("loaded", model.version.registry_version, old))

    def model_load_failed(self) -> None:
        self.events.append(("load failed",))

    def decided(self, endpoint: str, decisions: Sequence[object], model_version: str, seconds: float) -> None:
        self.events.append(("decided", endpoint, len(decisions), model_version))

    def failed(self, reason: str) -> None:
        self.events.append(("failed", reason))


def now() -> datetime:
    """A clock that stands still."""
    return NOW
