"""The review queue: referrals that people decide."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from loan_api.errors import ReviewConflictError, StorageError, UnknownDecisionError
from loan_api.services.audit import DecisionName, FoundDecision, RecordedBatch, RecordedDecision
from loan_api.services.review_state import (
    Opinion,
    Review,
    ReviewDecision,
    ReviewState,
    ReviewStatus,
    ReviewStep,
    is_note,
    is_reason,
)

_log = logging.getLogger(__name__)

USUAL_ON_A_PAGE = 100


@dataclass(frozen=True)
class Referral:
    """A decision that a person must make, as the queue shows it."""

    name: DecisionName
    decided_at: datetime
    probability: float
    rule: str | None
    policy_digest: str | None
    policy_version: str | None
    model_version: str

    @classmethod
    def of(cls, decision: RecordedDecision) -> "Referral":
        """Return the referral in a recorded decision."""
        policy, name = decision.policy, DecisionName.parse(decision.decision_id)
        if name is None:
            raise UnknownDecisionError
        return cls(
            name,
            decision.decided_at,
            decision.probability,
            decision.verdict.rule,
            policy.digest if policy else None,
            policy.version if policy else None,
            decision.decider.semantic_version,
        )


@dataclass(frozen=True)
class ReviewedReferral:
    """A referral, its review, and the review's state when it was read."""

    referral: Referral
    review: Review
    state: ReviewState


@dataclass(frozen=True)
class ReviewPage:
    """Referrals, oldest first, and the start of the next page; None at the end. A page may be short.

    `unreadable` lists the ids of damaged batches on the page.
    """

    reviews: Sequence[ReviewedReferral]
    following: DecisionName | None
    unreadable: Sequence[str] = ()


@dataclass(frozen=True)
class Backlog:
    """The number of undecided referrals, claimed ones included, and when the oldest one was referred."""

    undecided: int
    oldest: datetime | None


class ReviewStore(Protocol):
    """The reviews in the database. Every method raises StorageError if it cannot be used."""

    def page(self, status: ReviewStatus, start: DecisionName | None, limit: int, now: datetime) -> ReviewPage:
        """Return the page that begins at `start`, the `following` of the previous page; None for the first page."""

    def review(self, referral: Referral) -> Review:
        """Return the review of a referral."""

    def append(self, referral: Referral, step_after: Callable[[Review], ReviewStep | None]) -> Review | None:
        """Append the step that `step_after` returns for the review, if any, and return the review with it.

        No other step is appended in between. Return None if the referral is not recorded.
        """

    def backlog(self) -> Backlog:
        """Return the size and the age of the queue."""


class ReviewObserver(Protocol):
    """An observer of the review queue."""

    def referral_decided(self, decision: ReviewDecision, *, is_override: bool) -> None:
        """Observe the decision of a reviewer."""

    def backlog_seen(self, undecided: int, oldest_seconds: float) -> None:
        """Observe the number of undecided referrals and the age of the oldest."""


class ReviewService:
    """The use cases of reviewers. `find` looks up a recorded decision, as `AuditService.find` does."""

    def __init__(
        self,
        store: ReviewStore,
        find: Callable[[str], FoundDecision | RecordedBatch],
        observer: ReviewObserver,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._find = find
        self._observer = observer
        self._now = now

    def page(
        self, status: ReviewStatus = "open", cursor: DecisionName | None = None, limit: int = USUAL_ON_A_PAGE
    ) -> ReviewPage:
        """Return a page of the referrals with this status, oldest first."""
        return self._store.page(status, cursor, limit, self._now())

    def of(self, decision: RecordedDecision) -> ReviewedReferral | None:
        """Return the review of a recorded decision; None if it was not referred."""
        if decision.verdict.decision != "refer":
            return None
        referral = Referral.of(decision)
        return self._reviewed(referral, self._store.review(referral))

    def find(self, decision_id: str) -> ReviewedReferral:
        """Return the review of a referral.

        Raises UnknownDecisionError, NotYetStoredError, or ReviewConflictError if the decision was not referred.
        """
        found = self._find(decision_id)
        # A batch as a whole cannot be reviewed.
        if isinstance(found, RecordedBatch):
            raise UnknownDecisionError
        reviewed = self.of(found.decision)
        if reviewed is None:
            raise ReviewConflictError("The decision was not referred.")
        return reviewed

    def claim(self, decision_id: str, by: str) -> ReviewedReferral:
        """Claim a referral for the API key `by`, or extend its claim. Raises as `find` does."""
        return self._append(self.find(decision_id).referral, lambda review: review.claimed(by, self._now()))

    def decide(
        self,
        decision_id: str,
        by: str,
        decision: ReviewDecision,
        reason: str,
        note: str = "",
        override: bool = False,
    ) -> ReviewedReferral:
        """Decide a referral that `by` has claimed, or override its decision. Idempotent.

        Raises as `find` does, and ValueError unless `is_reason(reason)` and `is_note(note)`.
        """
        opinion = Opinion(decision, reason, note, override)
        if not (is_reason(reason) and is_note(note)):
            raise ValueError("the reason or the note is not valid")
        new: list[ReviewStep] = []

        def step_after(review: Review) -> ReviewStep | None:
            step = review.decided(by, opinion, self._now())
            new[:] = [step] if step else []
            return step

        reviewed = self._append(self.find(decision_id).referral, step_after)
        if new:
            self._observer.referral_decided(decision, is_override=override)
        return reviewed

    def watch(self, seconds: float) -> None:
        """Observe the backlog every `seconds`, and never return; run it in its own thread."""
        pause = threading.Event()
        while True:
            try:
                self.observe_backlog()
            except StorageError:
                # The health and the metrics of the decision log report it.
                _log.debug("backlog of reviews not read")
            pause.wait(seconds)

    def observe_backlog(self) -> None:
        """Observe the backlog once. Raises StorageError."""
        backlog = self._store.backlog()
        age = 0.0 if backlog.oldest is None else (self._now() - backlog.oldest).total_seconds()
        # Clocks of different hosts differ.
        self._observer.backlog_seen(backlog.undecided, max(age, 0.0))

    def _append(self, referral: Referral, step_after: Callable[[Review], ReviewStep | None]) -> ReviewedReferral:
        review = self._store.append(referral, step_after)
        if review is None:
            raise UnknownDecisionError
        return self._reviewed(referral, review)

    def _reviewed(self, referral: Referral, review: Review) -> ReviewedReferral:
        return ReviewedReferral(referral, review, review.state(self._now()))
