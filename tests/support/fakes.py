"""Fakes of the service's adapters, as small real classes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.decision import Verdict
from loan_api.credit.form import Form
from loan_api.credit.frame import applications_frame
from loan_api.credit.policy import Policy
from loan_api.credit.reference import ReferenceDistribution
from loan_api.errors import BatchTooLargeError, ModelUnavailableError, NotRecordedError, ReasonsUnavailableError
from loan_api.formats.applications import ApplicationCodec
from loan_api.scoring.columns import Application, Columns
from loan_api.scoring.package import GoldenRows, ModelFacts, ModelVersion, ReferencePackage
from loan_api.scoring.profiles import ReferenceProfiles
from loan_api.scoring.promotions import Event
from loan_api.scoring.scorer import Scorer
from loan_api.scoring.watched import WatchedDistribution
from loan_api.services.access import ApiKey, Scope, digest_of
from loan_api.services.audit import (
    DecisionName,
    FoundDecision,
    OutcomeReport,
    Page,
    RecordedBatch,
    ReportedOutcome,
    ReportResult,
    Search,
)
from loan_api.services.batch_job import BatchJob, BatchSummary, run_batch
from loan_api.services.decision_log import Decider, LogState, Record
from loan_api.services.explanation import (
    Contributions,
    ContributionsJob,
    ExplainedModel,
    FoundChanges,
    Replayed,
    ReplayJob,
    WhatIfJob,
)
from loan_api.services.model_registry import DesiredVersion, ServedModel
from loan_api.services.review_state import Review, ReviewDecision, ReviewStatus, ReviewStep
from loan_api.services.reviews import Backlog, Referral, ReviewPage
from tests.support.forms import SHIPPED

NOW = datetime(2024, 3, 13, 10, 30, tzinfo=UTC)


def model_version(registry_version: str = "1", semantic_version: str = "1.0.0") -> ModelVersion:
    """Create a model version with invented metadata."""
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
        artifact_digest="a" * 64,
        facts=facts,
    )


class ScoreByCreditScore:
    """Scorer whose approval probability rises linearly from 0 at a credit score of 300 to 1 at 900."""

    name = "fake"
    relevant_features = None

    def probability(self, application: Application) -> float:
        return float((application["cibil_score"] - 300) / 600)

    def probabilities(self, applications: Columns) -> NDArray[np.float64]:
        probabilities: NDArray[np.float64] = (applications["cibil_score"] - 300) / 600
        return probabilities


class BrokenScorer:
    """Scorer that fails with a message that quotes an applicant."""

    name = "broken"
    relevant_features = None

    def probability(self, application: Application) -> float:
        raise ValueError(f"cannot score {application['income_annum']}")

    def probabilities(self, applications: Columns) -> NDArray[np.float64]:
        raise ValueError(f"cannot score {applications['income_annum'][0]}")


def reference() -> ReferenceDistribution:
    """Return the distribution of three applications, two of them approved."""
    applications = [SHIPPED.example() | {"cibil_score": score} for score in (300, 600, 900)]
    frame = applications_frame(SHIPPED, applications)
    return ReferenceDistribution.of(SHIPPED, frame, np.array([0.0, 0.5, 1.0]), threshold=0.5)


def served_model(
    scorer: Scorer,
    version: ModelVersion | None = None,
    loaded_at: datetime = NOW,
    why_not_compiled: str | None = None,
    artifact: Path = Path("artifact"),
) -> ServedModel:
    """Create a model that scores with `scorer` and is monitored against `reference`."""
    watched = WatchedDistribution(SHIPPED, reference())
    return ServedModel(version or model_version(), scorer, watched, artifact, loaded_at, why_not_compiled)


@dataclass
class FakeLog:
    """A decision log in memory, or one that refuses all records."""

    state: LogState | None = field(default_factory=lambda: LogState("database"))
    records: list[Record] = field(default_factory=list)

    def start(self) -> None:
        """Do nothing."""

    def record(self, record: Record) -> None:
        if self.state is not None and self.state.recorded_in == "nowhere":
            raise NotRecordedError("The decision cannot be kept.")
        self.records.append(record)


class NoArchive:
    """A database that fails the test when it is queried."""

    def find(self, name: DecisionName) -> FoundDecision | RecordedBatch | None:
        raise AssertionError("the archive must not be queried")

    def page(self, search: Search, start: DecisionName | None, limit: int) -> Page:
        raise AssertionError("the archive must not be queried")

    def report(
        self, reports: Sequence[OutcomeReport], now: Callable[[], datetime], reported_by: str | None
    ) -> ReportResult:
        raise AssertionError("the archive must not be queried")

    def outcomes(self, name: DecisionName) -> Sequence[ReportedOutcome]:
        raise AssertionError("the archive must not be queried")

    def policy(self, digest: str) -> Policy | None:
        raise AssertionError("the archive must not be queried")


class NoReviews:
    """A review queue that fails the test when it is used."""

    def page(self, status: ReviewStatus, start: DecisionName | None, limit: int, now: datetime) -> ReviewPage:
        raise AssertionError("the review queue must not be used")

    def review(self, referral: Referral) -> Review:
        raise AssertionError("the review queue must not be used")

    def append(self, referral: Referral, step_after: Callable[[Review], ReviewStep | None]) -> Review | None:
        raise AssertionError("the review queue must not be used")

    def backlog(self) -> Backlog:
        raise AssertionError("the review queue must not be used")


@dataclass
class InlineBatches:
    """Batch processing in the calling thread."""

    log: FakeLog = field(default_factory=FakeLog)
    form: Form = SHIPPED

    def start(self) -> None:
        """Do nothing."""

    def run(
        self, job: BatchJob, body: Sequence[bytes], model: ServedModel, is_gone: Callable[[], bool]
    ) -> tuple[BatchSummary, Iterable[bytes]]:
        codec = ApplicationCodec(self.form)
        try:
            return run_batch(codec, job, b"".join(body), model.scorer, model.watched, self.log.record, is_gone)
        except MemoryError as error:
            # As a batch process answers that has reached its limit.
            raise BatchTooLargeError("The batch needs more memory than one batch may use.") from error


@dataclass
class InlineExplainer:
    """Explanations in the calling thread, by a scorer and two profiles with credit scores of 800 and 900."""

    form: Form = SHIPPED
    scorer: Scorer = field(default_factory=ScoreByCreditScore)
    problem: Exception | None = None
    jobs: list[ContributionsJob | WhatIfJob | ReplayJob] = field(default_factory=list)

    def contributions(self, job: ContributionsJob) -> Contributions:
        return self._model(job).contributions(job)

    def changes(self, job: WhatIfJob) -> FoundChanges:
        return self._model(job).changes(job)

    def replayed(self, job: ReplayJob) -> Replayed:
        return self._model(job).replayed(job)

    def _model(self, job: ContributionsJob | WhatIfJob | ReplayJob) -> ExplainedModel:
        self.jobs.append(job)
        if self.problem is not None:
            raise self.problem
        profiles = [self.form.example() | {"cibil_score": score} for score in (800, 900)]
        package = ReferencePackage(
            None, (), reference(), GoldenRows((), ()), "", ReferenceProfiles((0.5, 0.5), profiles)
        )
        return ExplainedModel(self.form, self.scorer, package)


@dataclass
class FakeFiles:
    """Files of versions that are not served; only those in `known` are registered."""

    known: Sequence[str] = ()

    def locate(self, decider: Decider) -> Path:
        if decider.registry_version not in self.known:
            raise ReasonsUnavailableError("It has left the registry.")
        return Path(f"artifact-{decider.registry_version}")


@dataclass
class FakeModelSource:
    """A registry in memory: the desired version, the loadable versions, and the last good one."""

    wanted: str | None = "1"
    versions: Mapping[str, tuple[ModelVersion, Scorer]] = field(
        default_factory=lambda: {
            "1": (model_version("1", "1.0.0"), ScoreByCreditScore()),
            "2": (model_version("2", "1.1.0"), ScoreByCreditScore()),
        }
    )
    is_reachable: bool = True
    has_polled: bool = True
    good: str | None = None
    why_not_compiled: str | None = None
    artifact: Path = Path("artifact")
    events: Sequence[Event] = ()
    loads: list[str] = field(default_factory=list)
    polls: int = 0
    files: int = 0

    def desired(self) -> DesiredVersion | None:
        if not self.has_polled:
            return None
        self.polls += 1
        if not self.is_reachable:
            return DesiredVersion(None, "the registry is away", self.polls)
        return DesiredVersion(None if self.wanted is None else self._version(self.wanted), None, self.polls)

    def last_good(self) -> ModelVersion | None:
        return None if self.good is None else self._version(self.good)

    def history(self) -> Sequence[Event]:
        return self.events

    def files_of(self, version: ModelVersion) -> object:
        return self.files

    def load(self, version: ModelVersion, loaded_at: datetime) -> ServedModel:
        number = version.registry_version
        self.loads.append(number)
        if number not in self.versions:
            raise ModelUnavailableError("it is broken")
        return served_model(self.versions[number][1], version, loaded_at, self.why_not_compiled, self.artifact)

    def _version(self, number: str) -> ModelVersion:
        return self.versions[number][0] if number in self.versions else model_version(number)


def api_key(name: str, *scopes: Scope, text: str | None = None) -> ApiKey:
    """Create a key whose text is its name by default."""
    return ApiKey(name, scopes, digest_of(text or name), NOW)


@dataclass
class FakeKeySource:
    """The keys in force, if any are configured, and the problem with them."""

    keys: Sequence[ApiKey] | None = None
    problem: str | None = None

    def in_force(self) -> Sequence[ApiKey] | None:
        return self.keys


@dataclass
class FakePolicySource:
    """The policy in force, if there is one, and the problem with it."""

    policy: Policy | None = None
    problem: str | None = None

    def in_force(self) -> Policy | None:
        return self.policy


@dataclass
class RecordingObserver:
    """Observer that records all events in order."""

    events: list[tuple[object, ...]] = field(default_factory=list)

    def model_loaded(self, model: ServedModel, replaced: ServedModel | None) -> None:
        old = replaced.version.registry_version if replaced else None
        self.events.append(("loaded", model.version.registry_version, old))

    def model_load_failed(self) -> None:
        self.events.append(("load failed",))

    def decided(
        self,
        model: ServedModel,
        application: Application,
        prediction: int,
        probability: float,
        verdict: Verdict,
        seconds: float,
    ) -> None:
        self.events.append(("decided", prediction, model.version.semantic_version))

    def batch_decided(self, model: ServedModel, summary: BatchSummary) -> None:
        self.events.append(("batch decided", summary.rows, summary.approved, model.version.semantic_version))

    def policy_activated(self, policy: Policy, replaced: Policy | None) -> None:
        self.events.append(("policy", policy.version, replaced and replaced.version))

    def failed(self, reason: str) -> None:
        self.events.append(("failed", reason))

    def access_refused(self, reason: str) -> None:
        self.events.append(("access refused", reason))

    def referral_decided(self, decision: ReviewDecision, *, is_override: bool) -> None:
        self.events.append(("reviewed", decision, is_override))

    def backlog_seen(self, undecided: int, oldest_seconds: float) -> None:
        self.events.append(("backlog", undecided, oldest_seconds))


def now() -> datetime:
    """Return the time of a stopped clock."""
    return NOW
