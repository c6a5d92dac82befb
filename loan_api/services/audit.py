"""Looking recorded decisions up, and being told what really came of them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, Self

from loan_api.errors import NotYetStoredError, UnknownDecisionError, UnknownDecisionsError
from loan_api.scoring.columns import Application
from loan_api.services.decision_log import Decider, DecisionLog

Endpoint = Literal["single", "batch"]
# As a filter: the last outcome told, or that none was.
OutcomeFilter = Literal["0", "1", "none"]

# What the id of a decision looks like; of no more than what regular expressions everywhere know.
NAME_PATTERN = "([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?::(0|[1-9][0-9]{0,8}))?"
_NAME = re.compile(NAME_PATTERN)


@dataclass(frozen=True)
class DecisionName:
    """A decision's id taken apart: the id that its record has, and for one of a batch its row (from 0)."""

    recorded_id: str
    row: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What `str` gives; None for a text that is no id."""
        found = _NAME.fullmatch(text)
        if found is None:
            return None
        recorded_id, row = found.groups()
        return cls(recorded_id.lower(), None if row is None else int(row))

    def __str__(self) -> str:
        return self.recorded_id if self.row is None else f"{self.recorded_id}:{self.row}"


@dataclass(frozen=True)
class ToldOutcome:
    """What really happened (1 good, 0 bad) by one who told it then: the name of an API key or of a file."""

    outcome: int
    told_at: datetime
    told_by: str | None


@dataclass(frozen=True)
class RecordedDecision:
    """One decision as it was recorded, and the last outcome told of it, if any."""

    decision_id: str
    endpoint: Endpoint
    request_id: str
    decided_at: datetime
    decider: Decider
    features: Application
    probability: float
    prediction: int
    outcome: int | None


@dataclass(frozen=True)
class FoundDecision:
    """A decision, and every outcome told of it, the last one in force."""

    decision: RecordedDecision
    outcomes: Sequence[ToldOutcome]


@dataclass(frozen=True)
class RecordedBatch:
    """A batch as a whole."""

    batch_id: str
    request_id: str
    decided_at: datetime
    decider: Decider
    rows: int
    approved: int


@dataclass(frozen=True)
class Search:
    """Which decisions are asked for: those for which all holds that is not None. `since` is within, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None
    model_version: str | None = None
    prediction: int | None = None
    endpoint: Endpoint | None = None
    outcome: OutcomeFilter | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Page:
    """Some of the decisions asked for, the newest first, and where to go on.

    `following` names the last record that was looked at, or the row of a batch to go on with; None at the end. A page
    may be short, as the work for one is bounded. `unreadable` are the ids of damaged records, decisions or batches,
    that lie among them and may have been asked for.
    """

    decisions: Sequence[RecordedDecision]
    following: DecisionName | None
    unreadable: Sequence[str] = ()


@dataclass(frozen=True)
class Telling:
    """What is to be told of one decision."""

    name: DecisionName
    outcome: int


@dataclass(frozen=True)
class NewOutcome:
    """An outcome that was not known before, beside the decision. `waited` is the time between the two (seconds)."""

    prediction: int
    outcome: int
    model_version: str
    probability: float
    waited: float


@dataclass(frozen=True)
class TellingResult:
    """What came of telling: the outcomes that were new; or, where decisions are `unknown` (positions), nothing."""

    new: Sequence[NewOutcome] = ()
    unknown: Sequence[int] = ()


@dataclass(frozen=True)
class OutcomeState:
    """What is known of the outcome of one decision, the last word in force."""

    decision_id: str
    outcomes: Sequence[ToldOutcome]


@dataclass(frozen=True)
class OutcomeCount:
    """How many of the outcomes told were new, and how many said what was known already."""

    new: int
    known: int


class Archive(Protocol):
    """The decisions in the database. Everything raises StorageError where that does not answer."""

    def find(self, name: DecisionName) -> FoundDecision | RecordedBatch | None:
        """The decision or, named without a row, the batch."""

    def page(self, search: Search, start: DecisionName | None, limit: int) -> Page:
        """The decisions from `start` on, another page's `following`; from the newest on without it."""

    def tell(self, tellings: Sequence[Telling], told_at: datetime, told_by: str | None) -> TellingResult:
        """Keeps what is new of it, all or nothing; of several about one decision the last stands."""

    def outcomes(self, name: DecisionName) -> Sequence[ToldOutcome]:
        """All that was told of one decision, in that order."""


class OutcomeObserver(Protocol):
    """Is told of outcomes."""

    def outcomes_told(self, new: Sequence[NewOutcome]) -> None:
        """Decisions turned out so, which was not known before, or known otherwise."""


class AuditService:
    """What auditors and those who learn outcomes may do."""

    def __init__(
        self, archive: Archive, log: DecisionLog, observer: OutcomeObserver, now: Callable[[], datetime]
    ) -> None:
        self._archive = archive
        self._log = log
        self._observer = observer
        self._now = now

    def find(self, decision_id: str) -> FoundDecision | RecordedBatch:
        """The decision or batch of that id.

        Raises UnknownDecisionError, or NotYetStoredError while it may still be on its way to the database.
        """
        name = _named(decision_id)
        is_waiting = self._is_waiting
        found = self._archive.find(name)
        if found is None:
            raise self._unless_waiting(is_waiting, UnknownDecisionError())
        return found

    def search(self, search: Search, start: DecisionName | None, limit: int) -> Page:
        """Those of the decisions in the database that are asked for, page by page."""
        return self._archive.page(search, start, limit)

    def tell(self, decision_id: str, outcome: int, told_by: str | None) -> OutcomeState:
        """Takes in what became of one decision; telling it again changes nothing. Raises as `find` does."""
        name = _named(decision_id)
        try:
            self.tell_all([Telling(name, outcome)], told_by)
        except UnknownDecisionsError:
            raise UnknownDecisionError from None
        return OutcomeState(str(name), self._archive.outcomes(name))

    def tell_all(self, tellings: Sequence[Telling], told_by: str | None) -> OutcomeCount:
        """Takes in what became of many decisions, of all or of none.

        Raises UnknownDecisionsError, or NotYetStoredError while they may still be on their way to the database.
        """
        is_waiting = self._is_waiting
        result = self._archive.tell(tellings, self._now(), told_by)
        if result.unknown:
            raise self._unless_waiting(is_waiting, UnknownDecisionsError(result.unknown))
        self._observer.outcomes_told(result.new)
        return OutcomeCount(len(result.new), len(tellings) - len(result.new))

    @property
    def _is_waiting(self) -> bool:
        state = self._log.state
        return state is not None and (state.waiting > 0 or state.recorded_in != "database")

    def _unless_waiting(
        self, was_waiting: bool, error: UnknownDecisionError | UnknownDecisionsError
    ) -> UnknownDecisionError | UnknownDecisionsError | NotYetStoredError:
        # It may have reached the database just after that was asked.
        if was_waiting or self._is_waiting:
            return NotYetStoredError("Some decisions wait for the database; this one may be among them.")
        return error


def _named(decision_id: str) -> DecisionName:
    name = DecisionName.parse(decision_id)
    if name is None:
        raise UnknownDecisionError
    return name
