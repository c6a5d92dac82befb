"""Lookup of recorded decisions, and reports of their outcomes."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, Self

from loan_api.credit.decision import Decision, Verdict
from loan_api.credit.policy import Policy
from loan_api.errors import NotYetStoredError, UnknownDecisionError, UnknownDecisionsError
from loan_api.scoring.columns import Application
from loan_api.services.decision_log import Decider, DecisionLog

Endpoint = Literal["single", "batch"]
# Filter values: the latest reported outcome, or "none" if no report has arrived.
OutcomeFilter = Literal["0", "1", "none"]

# The form of a decision's id, in the common subset of regular expression dialects.
NAME_PATTERN = "([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?::(0|[1-9][0-9]{0,8}))?"
_NAME = re.compile(NAME_PATTERN)


@dataclass(frozen=True)
class DecisionName:
    """A parsed decision id: the id of the record and, for a decision in a batch, its row (from 0)."""

    recorded_id: str
    row: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse the output of `str`; return None for any other text."""
        found = _NAME.fullmatch(text)
        if found is None:
            return None
        recorded_id, row = found.groups()
        return cls(recorded_id.lower(), None if row is None else int(row))

    def __str__(self) -> str:
        return self.recorded_id if self.row is None else f"{self.recorded_id}:{self.row}"


@dataclass(frozen=True)
class ReportedOutcome:
    """An outcome (1 good, 0 bad), and when and by which API key or file it was reported."""

    outcome: int
    reported_at: datetime
    reported_by: str | None


@dataclass(frozen=True)
class DecidingPolicy:
    """The policy under which a decision was made; the version is None if its activation is not recorded."""

    digest: str
    version: str | None


@dataclass(frozen=True)
class RecordedDecision:
    """One decision as it was recorded, and its latest outcome, if any. Without a policy, the threshold decided."""

    decision_id: str
    endpoint: Endpoint
    request_id: str
    decided_at: datetime
    decider: Decider
    features: Application
    probability: float
    prediction: int
    outcome: int | None
    verdict: Verdict
    policy: DecidingPolicy | None


@dataclass(frozen=True)
class FoundDecision:
    """A decision and every outcome reported for it, latest last."""

    decision: RecordedDecision
    outcomes: Sequence[ReportedOutcome]


@dataclass(frozen=True)
class RecordedBatch:
    """A batch as a whole. `approved` counts predictions, `referred` and `declined` decisions."""

    batch_id: str
    request_id: str
    decided_at: datetime
    decider: Decider
    rows: int
    approved: int
    referred: int
    declined: int
    policy: DecidingPolicy | None


@dataclass(frozen=True)
class Search:
    """Filters for decisions; None matches every decision. `since` is inclusive, `until` exclusive."""

    since: datetime | None = None
    until: datetime | None = None
    model_version: str | None = None
    prediction: int | None = None
    endpoint: Endpoint | None = None
    outcome: OutcomeFilter | None = None
    request_id: str | None = None
    decision: Decision | None = None


@dataclass(frozen=True)
class Page:
    """Matching decisions, newest first, and the start of the next page.

    `following` names the last record examined, or the row of a batch to continue with; None at the end. The work for
    one page is bounded, so a page may be short. `unreadable` lists the ids of damaged records, decisions or batches,
    that lie on the page and may match.
    """

    decisions: Sequence[RecordedDecision]
    following: DecisionName | None
    unreadable: Sequence[str] = ()


@dataclass(frozen=True)
class OutcomeReport:
    """A report of the outcome of one decision."""

    name: DecisionName
    outcome: int


@dataclass(frozen=True)
class NewOutcome:
    """A newly reported outcome and its decision. `waited` is the time between the two, in seconds."""

    prediction: int
    outcome: int
    model_version: str
    probability: float
    waited: float


@dataclass(frozen=True)
class ReportResult:
    """The new outcomes among some reports, or the positions of `unknown` decisions; then nothing was stored."""

    new: Sequence[NewOutcome] = ()
    unknown: Sequence[int] = ()


@dataclass(frozen=True)
class OutcomeState:
    """Every outcome reported for one decision; the last is in force."""

    decision_id: str
    outcomes: Sequence[ReportedOutcome]


@dataclass(frozen=True)
class OutcomeCount:
    """Numbers of new outcomes and of duplicates among the reports."""

    new: int
    known: int


class Archive(Protocol):
    """The decisions in the database. Every method raises StorageError if it cannot be used."""

    def find(self, name: DecisionName) -> FoundDecision | RecordedBatch | None:
        """Return a decision or, for a name without a row, possibly a batch."""

    def page(self, search: Search, start: DecisionName | None, limit: int) -> Page:
        """Return the page that begins at `start`, the `following` of the previous page; None for the first page."""

    def report(
        self, reports: Sequence[OutcomeReport], now: Callable[[], datetime], reported_by: str | None
    ) -> ReportResult:
        """Store new outcomes, all or none. The latest report about a decision wins.

        `now` is called inside the write, so that the history of a decision is in chronological order.
        """

    def outcomes(self, name: DecisionName) -> Sequence[ReportedOutcome]:
        """Return every outcome reported for one decision, latest last."""

    def policy(self, digest: str) -> Policy | None:
        """Return the recorded policy with that digest, or None if its text is missing or does not fit the form."""


class OutcomeObserver(Protocol):
    """An observer of reported outcomes."""

    def outcomes_reported(self, new: Sequence[NewOutcome]) -> None:
        """Observe outcomes that are new or differ from the previous report."""


class AuditService:
    """The use cases of auditors and of systems that report outcomes.

    `journals_wait` returns whether a journal on this host holds decisions, including those of other services.
    """

    def __init__(
        self,
        archive: Archive,
        log: DecisionLog,
        observer: OutcomeObserver,
        now: Callable[[], datetime],
        journals_wait: Callable[[], bool] = lambda: False,
    ) -> None:
        self._archive = archive
        self._log = log
        self._observer = observer
        self._now = now
        self._journals_wait = journals_wait

    def find(self, decision_id: str) -> FoundDecision | RecordedBatch:
        """Return the decision or batch with that id.

        Raises UnknownDecisionError, or NotYetStoredError if it may still be on its way to the database.
        """
        name = _named(decision_id)
        is_waiting = self._is_waiting
        found = self._archive.find(name)
        if found is None:
            raise self._unless_waiting(is_waiting, UnknownDecisionError())
        return found

    def policy_of(self, decision: RecordedDecision) -> Policy | None:
        """Return the policy that decided; None without one, or if it is not recorded or no longer fits the form."""
        return None if decision.policy is None else self._archive.policy(decision.policy.digest)

    def search(self, search: Search, start: DecisionName | None, limit: int) -> Page:
        """Return a page of the decisions in the database that match."""
        return self._archive.page(search, start, limit)

    def report_outcome(self, decision_id: str, outcome: int, reported_by: str | None) -> OutcomeState:
        """Store the outcome of one decision; repeating the latest changes nothing. Raises as `find` does."""
        name = _named(decision_id)
        try:
            self.report_outcomes([OutcomeReport(name, outcome)], reported_by)
        except UnknownDecisionsError:
            raise UnknownDecisionError from None
        return OutcomeState(str(name), self._archive.outcomes(name))

    def report_outcomes(self, reports: Sequence[OutcomeReport], reported_by: str | None) -> OutcomeCount:
        """Store the outcomes of many decisions, all or none.

        Raises UnknownDecisionsError, or NotYetStoredError if they may still be on their way to the database.
        """
        is_waiting = self._is_waiting
        result = self._archive.report(reports, self._now, reported_by)
        if result.unknown:
            raise self._unless_waiting(is_waiting, UnknownDecisionsError(result.unknown))
        self._observer.outcomes_reported(result.new)
        return OutcomeCount(len(result.new), len(reports) - len(result.new))

    @property
    def _is_waiting(self) -> bool:
        state = self._log.state
        return state is not None and (state.waiting > 0 or state.recorded_in != "database" or self._journals_wait())

    def _unless_waiting(
        self, was_waiting: bool, error: UnknownDecisionError | UnknownDecisionsError
    ) -> UnknownDecisionError | UnknownDecisionsError | NotYetStoredError:
        # It may have reached the database just after the lookup.
        if was_waiting or self._is_waiting:
            return NotYetStoredError("Some decisions are still waiting for the database; this one may be among them.")
        return error


def _named(decision_id: str) -> DecisionName:
    name = DecisionName.parse(decision_id)
    if name is None:
        raise UnknownDecisionError
    return name
