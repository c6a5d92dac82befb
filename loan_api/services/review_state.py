"""The life of a review: open → claimed → decided, derived from its steps, which never change.

A claim is a lease that an API key holds. With one reviewer, the first decision settles the review. With two, a
second key must agree; if the two disagree, the review stays open until a third one overrides them. A settled review
changes only by an override.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from loan_api.errors import ReviewConflictError

# How long a claim keeps others away. Claiming again extends it.
LEASE = timedelta(minutes=15)
LONGEST_REASON = 64
LONGEST_NOTE = 2000
REASON_PATTERN = f"[A-Za-z0-9_]{{1,{LONGEST_REASON}}}"
_REASON = re.compile(REASON_PATTERN, re.ASCII)

ReviewStatus = Literal["open", "claimed", "decided"]
ReviewDecision = Literal["approve", "decline"]
# What would settle a review: a decision, a second one, or an override of two that disagree.
ReviewNeed = Literal["decision", "second_decision", "override"]
StepKind = Literal["claim", "decide"]


def is_reason(text: str) -> bool:
    """Return whether a text can be a reason code."""
    return _REASON.fullmatch(text) is not None


def is_note(text: str) -> bool:
    """Return whether a text can be a note."""
    # PostgreSQL cannot store NUL in a text, and half of a surrogate pair is not UTF-8.
    return len(text) <= LONGEST_NOTE and "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


@dataclass(frozen=True)
class Opinion:
    """A reviewer's decision with its reason code and note. An override replaces earlier decisions."""

    decision: ReviewDecision
    reason: str
    note: str = ""
    override: bool = False


@dataclass(frozen=True)
class ReviewStep:
    """A claim, which expires, or a decision. `by` names the API key."""

    kind: StepKind
    by: str
    at: datetime
    expires_at: datetime | None = None
    opinion: Opinion | None = None


@dataclass(frozen=True)
class ReviewState:
    """The state of a review at some time. A settled one needs nothing."""

    status: ReviewStatus
    decision: ReviewDecision | None
    needs: ReviewNeed | None
    claimed_by: str | None
    expires_at: datetime | None


@dataclass(frozen=True)
class Review:
    """The steps of a review in chronological order, and the number of `reviewers` who must agree."""

    reviewers: int = 1
    steps: Sequence[ReviewStep] = ()

    @property
    def decisions(self) -> Sequence[ReviewStep]:
        """The decisions so far."""
        return [step for step in self.steps if step.opinion is not None]

    def state(self, now: datetime) -> ReviewState:
        """Return the state at the time `now`."""
        opinions = [step.opinion for step in self.steps if step.opinion is not None]
        overriding = [opinion for opinion in opinions if opinion.override]
        first = opinions[: self.reviewers]
        settled = len(first) == self.reviewers and len({opinion.decision for opinion in first}) == 1
        if overriding or settled:
            return ReviewState("decided", (overriding or first)[-1].decision, None, None, None)
        needs: ReviewNeed = "decision"
        if opinions:
            needs = "second_decision" if len(opinions) < self.reviewers else "override"
        # A decision ends the claim under which it was made.
        last = self.steps[-1] if self.steps else None
        if last is None or last.expires_at is None or last.expires_at <= now:
            return ReviewState("open", None, needs, None, None)
        return ReviewState("claimed", None, needs, last.by, last.expires_at)

    def was_last_claimed_by(self, name: str) -> bool:
        """Return whether the last step is a claim by `name`, expired or not."""
        return bool(self.steps) and (self.steps[-1].kind, self.steps[-1].by) == ("claim", name)

    def claimed(self, by: str, now: datetime) -> ReviewStep:
        """Return the step by which `by` claims the review, or extends the claim. Raises ReviewConflictError."""
        now = self._not_before(now)
        state = self.state(now)
        if state.status == "decided":
            raise ReviewConflictError("The referral has already been decided.")
        if state.claimed_by not in (None, by):
            raise ReviewConflictError(f"The referral is claimed by {state.claimed_by}.")
        self._refuse_second_decision(by)
        return ReviewStep("claim", by, now, expires_at=now + LEASE)

    def decided(self, by: str, opinion: Opinion, now: datetime) -> ReviewStep | None:
        """Return the step by which `by` decides; None if it repeats a step. Raises ReviewConflictError.

        The reviewer must hold the claim. A settled review cannot be claimed, so overriding needs no claim.
        """
        now = self._not_before(now)
        # An override may be repeated after another one, so only the last decision can be a retry of it.
        repeatable = self.decisions[-1:] if opinion.override else self.decisions
        if any((step.by, step.opinion) == (by, opinion) for step in repeatable):
            return None
        state = self.state(now)
        if state.status == "decided":
            if not opinion.override:
                raise ReviewConflictError("The referral has already been decided. Override it to change the decision.")
            if self.reviewers > 1 and any(step.by == by for step in self.decisions):
                raise ReviewConflictError(
                    "This API key has already decided on the referral; another key must override it."
                )
        else:
            self._refuse_second_decision(by)
            if state.claimed_by is None:
                raise ReviewConflictError("The referral is not claimed, or its claim has expired. Claim it to decide.")
            if state.claimed_by != by:
                raise ReviewConflictError(f"The referral is claimed by {state.claimed_by}.")
            if opinion.override and state.needs != "override":
                raise ReviewConflictError("There is nothing to override.")
            if not opinion.override and state.needs == "override":
                raise ReviewConflictError("Two reviewers disagree. Only an override can decide.")
        return ReviewStep("decide", by, now, opinion=opinion)

    def _refuse_second_decision(self, by: str) -> None:
        if any(step.by == by for step in self.decisions):
            raise ReviewConflictError("This API key has already decided on the referral; another key must decide next.")

    def _not_before(self, now: datetime) -> datetime:
        # Steps must be in chronological order, but another host's clock may be ahead.
        return max(now, self.steps[-1].at) if self.steps else now
