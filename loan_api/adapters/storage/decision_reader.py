"""Queries for single decisions, batches and their outcomes."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from sqlalchemy import ColumnElement, Connection, FromClause, Row, ScalarSelect, exists, select

from loan_api.adapters.storage.policies import RecordedPolicies
from loan_api.adapters.storage.tables import batches, decisions, outcomes
from loan_api.credit.decision import DECISIONS, Decision, Verdict, verdict_of
from loan_api.credit.form import Form
from loan_api.errors import UnreadableRecordError
from loan_api.formats.batch_content import BatchContent, unpack
from loan_api.scoring.columns import Columns, applications_of, columns_of
from loan_api.services.audit import (
    DecisionName,
    Endpoint,
    FoundDecision,
    RecordedBatch,
    RecordedDecision,
    ReportedOutcome,
)
from loan_api.services.decision_log import Decider


def find(form: Form, connection: Connection, name: DecisionName) -> FoundDecision | RecordedBatch | None:
    """Return a decision or, for a name without a row, possibly a batch. Raises UnreadableRecordError."""
    policies = RecordedPolicies(connection)
    if name.row is None:
        single = connection.execute(
            select(decisions, last_outcome(decisions).label("outcome")).where(decisions.c.id == name.recorded_id)
        ).first()
        if single is not None:
            return FoundDecision(single_decision(form, single, policies), reported_outcomes(connection, name))
    columns = batch_head_columns() if name.row is None else [batches]
    batch = connection.execute(select(*columns).where(batches.c.id == name.recorded_id)).first()
    if batch is None:
        return None
    if name.row is None:
        return RecordedBatch(
            batch.id,
            batch.request_id,
            batch.decided_at,
            Decider.of_row(batch),
            batch.rows,
            batch.approved,
            batch.referred or 0,
            batch.rows - batch.approved if batch.declined is None else batch.declined,
            policies.deciding(batch.policy),
        )
    if name.row >= batch.rows:
        return None
    history = reported_outcomes(connection, name)
    last = {name.row: history[-1].outcome} if history else {}
    return FoundDecision(batch_decisions(form, batch, [name.row], last, policies)[0], history)


def reported_outcomes(connection: Connection, name: DecisionName) -> list[ReportedOutcome]:
    """Return every outcome reported for one decision, latest last."""
    rows = connection.execute(
        select(outcomes.c.outcome, outcomes.c.told_at, outcomes.c.told_by)
        .where(outcomes.c.decision_id == name.recorded_id, outcomes.c.row_id == (name.row or 0))
        .order_by(outcomes.c.id)
    )
    return [ReportedOutcome(row.outcome, row.told_at, row.told_by) for row in rows]


def has_decided(connection: Connection, semantic_version: str) -> bool:
    """Return whether a decision of that version is recorded."""
    return any(
        connection.scalar(select(exists().where(table.c.semantic_version == semantic_version)))
        for table in (decisions, batches)
    )


def last_outcome(single: FromClause) -> ScalarSelect[int]:
    """Select the outcome in force for each of those single decisions."""
    return (
        select(outcomes.c.outcome)
        .where(outcomes.c.decision_id == single.c.id, outcomes.c.row_id == 0)
        .order_by(outcomes.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )


def last_outcomes(connection: Connection, batch_id: str) -> Mapping[int, int]:
    """Return the outcomes in force by row of the batch; rows without one are absent."""
    rows = connection.execute(
        select(outcomes.c.row_id, outcomes.c.outcome).where(outcomes.c.decision_id == batch_id).order_by(outcomes.c.id)
    )
    return {row.row_id: row.outcome for row in rows}


def batch_head_columns() -> list[ColumnElement[Any]]:
    """Return the columns of a batch except the large one."""
    return [column for column in batches.c if column is not batches.c.content]


def single_decision(form: Form, row: Row[Any], policies: RecordedPolicies) -> RecordedDecision:
    """Return the decision in a row of `decisions` with its `outcome`. Raises UnreadableRecordError."""
    single_columns(form, [row])
    return RecordedDecision(
        decision_id=row.id,
        endpoint=cast(Endpoint, row.endpoint),
        request_id=row.request_id,
        decided_at=row.decided_at,
        decider=Decider.of_row(row),
        features=row.features,
        probability=row.probability,
        prediction=row.prediction,
        outcome=row.outcome,
        verdict=Verdict(decision_of_row(row), row.rule),
        policy=policies.deciding(row.policy),
    )


def decision_of_row(row: Row[Any]) -> Decision:
    """Return the decision in a row of `decisions`; without a policy, that of the threshold."""
    decision: Decision | None = row.decision
    return decision or verdict_of(row.prediction).decision


def batch_decisions(
    form: Form, batch: Row[Any], rows: Sequence[int], last: Mapping[int, int], policies: RecordedPolicies
) -> list[RecordedDecision]:
    """Return the decisions in these rows of a batch; `last` maps rows to outcomes. Raises UnreadableRecordError."""
    content = batch_columns(form, batch.id, batch.rows, batch.content)
    decider, policy = Decider.of_row(batch), policies.deciding(batch.policy)
    return [
        RecordedDecision(
            decision_id=str(DecisionName(batch.id, row)),
            endpoint="batch",
            request_id=batch.request_id,
            decided_at=batch.decided_at,
            decider=decider,
            features=features,
            probability=float(content.probabilities[row]),
            prediction=int(content.predictions[row]),
            outcome=last.get(row),
            verdict=Verdict(DECISIONS[content.decisions[row]], content.rules[row]),
            policy=policy,
        )
        for row, features in zip(rows, applications_of(form, content.applications, rows), strict=True)
    ]


def single_columns(form: Form, rows: Sequence[Row[Any]]) -> Columns:
    """Return the applications of some single decisions. Raises UnreadableRecordError naming the first and the last."""
    try:
        columns = columns_of(form, [row.features for row in rows])
        is_whole = all(feature.optional or np.isfinite(columns[feature.name]).all() for feature in form.features)
    except (KeyError, TypeError, ValueError):
        is_whole = False
    if not is_whole:
        named = " to ".join(dict.fromkeys((rows[0].id, rows[-1].id)))
        raise UnreadableRecordError(f"A record cannot be read: {named}.")
    return columns


def batch_columns(form: Form, batch_id: str, rows: int, content: bytes) -> BatchContent:
    """Unpack a batch. Raises UnreadableRecordError naming it."""
    try:
        unpacked = unpack(form, content)
    except UnreadableRecordError as error:
        raise UnreadableRecordError(f"A record cannot be read: {batch_id} ({error}).") from error
    if len(unpacked.predictions) != rows:
        raise UnreadableRecordError(f"A record cannot be read: {batch_id} (its number of rows is wrong).")
    return unpacked
