"""Queries for the review queue. Their cost depends on the sizes of page and queue, not on that of the decision log."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Select, and_, func, or_, select, tuple_

from loan_api.adapters.storage.policies import RecordedPolicies
from loan_api.adapters.storage.tables import IS_UNDECIDED, batches, decisions, referrals, review_steps, reviews
from loan_api.credit.decision import REFER
from loan_api.errors import UnreadableRecordError
from loan_api.formats.batch_content import unpack_decisions
from loan_api.services.audit import DecisionName
from loan_api.services.review_state import Opinion, Review, ReviewStatus, ReviewStep
from loan_api.services.reviews import Backlog, Referral, ReviewedReferral, ReviewPage

# The most batches unpacked for a page, each of which may take a few milliseconds.
_BATCHES = 20


def read_review_page(
    connection: Connection, status: ReviewStatus, start: DecisionName | None, limit: int, now: datetime
) -> ReviewPage:
    """Return at most `limit` referrals with this status from `start` on, oldest first."""
    page = _Page(connection, limit)
    if status == "open":
        page.add_open(start, now)
    else:
        page.add_touched(start, now, is_decided=status == "decided")
    histories = steps_of(connection, page.found)
    return ReviewPage(
        [
            ReviewedReferral(referral, review, review.state(now))
            for name, referral in page.found.items()
            for review in [Review(page.policies.reviewers(referral.policy_digest), histories[name])]
        ],
        page.following,
        page.unreadable,
    )


def read_review(connection: Connection, referral: Referral) -> Review:
    """Return the review of one referral."""
    required = RecordedPolicies(connection).reviewers(referral.policy_digest)
    return Review(required, steps_of(connection, [referral.name])[referral.name])


def read_backlog(connection: Connection) -> Backlog:
    """Return the size and the age of the queue."""
    undecided, oldest = connection.execute(
        select(func.coalesce(func.sum(referrals.c.undecided), 0), func.min(referrals.c.decided_at)).where(IS_UNDECIDED)
    ).one()
    return Backlog(int(undecided), oldest)


def steps_of(connection: Connection, names: Iterable[DecisionName]) -> Mapping[DecisionName, list[ReviewStep]]:
    """Return the steps of some reviews in chronological order."""
    by_key = {(name.recorded_id, name.row or 0): name for name in names}
    steps: dict[DecisionName, list[ReviewStep]] = defaultdict(list)
    if by_key:
        key = tuple_(review_steps.c.decision_id, review_steps.c.row_id)
        for row in connection.execute(select(review_steps).where(key.in_(by_key)).order_by(review_steps.c.id)):
            opinion = None
            if row.kind == "decide":
                opinion = Opinion(row.decision, row.reason, row.note, bool(row.is_override))
            steps[by_key[row.decision_id, row.row_id]].append(
                ReviewStep(row.kind, row.reviewer, row.at, row.expires_at, opinion)
            )
    return steps


class _Page:
    """The referrals found for one page."""

    def __init__(self, connection: Connection, limit: int) -> None:
        self._connection = connection
        self._limit = limit
        self.policies = RecordedPolicies(connection)
        self.found: dict[DecisionName, Referral] = {}
        self.unreadable: list[str] = []
        self.following: DecisionName | None = None

    def add_open(self, start: DecisionName | None, now: datetime) -> None:
        """Add referrals that are neither decided nor claimed."""
        query = select(referrals.c.id).where(IS_UNDECIDED).order_by(referrals.c.id).limit(self._limit + 1)
        if start is not None:
            query = query.where(referrals.c.id >= start.recorded_id)
        ids = list(self._connection.execute(query).scalars())
        singles = {row.id: row for row in self._connection.execute(_singles(ids))}
        taken = {
            (row.decision_id, row.row_id)
            for row in self._connection.execute(
                select(reviews.c.decision_id, reviews.c.row_id).where(
                    reviews.c.decision_id.in_(ids), or_(reviews.c.is_decided == 1, reviews.c.claimed_until > now)
                )
            )
        }
        opened = 0
        # One more was read, to know whether the next page begins there.
        for record_id in ids[: self._limit]:
            if record_id in singles:
                row = singles[record_id]
                candidates = iter([self._referral(DecisionName(record_id), row, row.probability, row.rule)])
            else:
                opened += 1
                if opened > _BATCHES:
                    self.following = DecisionName(record_id, 0)
                    return
                first = start.row or 0 if start is not None and start.recorded_id == record_id else 0
                candidates = self._rows_of_batch(record_id, first)
            for referral in candidates:
                if (record_id, referral.name.row or 0) in taken:
                    continue
                if len(self.found) == self._limit:
                    self.following = referral.name
                    return
                self.found[referral.name] = referral
        if len(ids) > self._limit:
            self.following = DecisionName(ids[self._limit])

    def add_touched(self, start: DecisionName | None, now: datetime, *, is_decided: bool) -> None:
        """Add referrals that are decided, or those that are claimed."""
        of = reviews.c
        status = of.is_decided == 1 if is_decided else and_(of.is_decided == 0, of.claimed_until > now)
        query = select(reviews).where(status).order_by(of.decision_id, of.row_id).limit(self._limit + 1)
        if start is not None:
            query = query.where(tuple_(of.decision_id, of.row_id) >= tuple_(start.recorded_id, start.row or 0))
        for row in self._connection.execute(query):
            name = DecisionName(row.decision_id, row.row_id if row.endpoint == "batch" else None)
            if len(self.found) == self._limit:
                self.following = name
            else:
                self.found[name] = self._referral(name, row, row.probability, row.rule)

    def _rows_of_batch(self, batch_id: str, first: int) -> Iterator[Referral]:
        batch = self._connection.execute(
            select(batches.c.content, batches.c.decided_at, batches.c.policy, batches.c.semantic_version).where(
                batches.c.id == batch_id
            )
        ).first()
        if batch is None:
            return
        try:
            probabilities, decided, rules = unpack_decisions(batch.content)
        except UnreadableRecordError:
            self.unreadable.append(batch_id)
            return
        for row in np.flatnonzero(decided == REFER).tolist():
            if row >= first:
                yield self._referral(DecisionName(batch_id, row), batch, float(probabilities[row]), rules[row])

    def _referral(self, name: DecisionName, row: Any, probability: float, rule: str | None) -> Referral:
        version = self.policies.version(row.policy)
        return Referral(name, row.decided_at, probability, rule, row.policy, version, row.semantic_version)


def _singles(ids: list[str]) -> Select[Any]:
    of = decisions.c
    return select(of.id, of.decided_at, of.probability, of.rule, of.policy, of.semantic_version).where(of.id.in_(ids))
