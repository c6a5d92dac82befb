"""Invented decisions in a real database, written as the recorder writes them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from msgspec import structs

from loan_api.adapters.storage.decision_writer import DecisionWriter
from loan_api.credit.decision import DECLINE, REFER
from loan_api.credit.policy import Policy
from loan_api.formats.batch_content import PolicyColumns, pack
from loan_api.scoring.columns import columns_of
from loan_api.services.decision_id import new_id
from loan_api.services.decision_log import BatchRecord, Decider, DecisionRecord, PolicyActivation
from tests.support.applications import application
from tests.support.forms import SHIPPED

START = datetime(2024, 3, 13, 10, 30, 0, 123456, tzinfo=UTC)
FIRST = Decider("loan_approval_model", "1", "1.0.0", 0.5)
SECOND = Decider("loan_approval_model", "2", "1.1.0", 0.35)


@dataclass
class Ledger:
    """Source of recorded decisions, a minute apart; each has its own writer unless `write` is given."""

    url: str
    moment: datetime = START
    write: Callable[[Sequence[DecisionRecord], Sequence[BatchRecord]], None] | None = None

    def single(
        self,
        decider: Decider = FIRST,
        probability: float = 0.75,
        request_id: str = "r-1",
        policy: Policy | None = None,
        **changes: Any,
    ) -> str:
        """Write a decision and return its id. Without a policy, it is one of an earlier version of the code."""
        decision_id, at = self._next()
        features = json.dumps({key: float(v) if isinstance(v, int) else v for key, v in application(**changes).items()})
        prediction = int(probability >= decider.threshold)
        record = DecisionRecord(decision_id, request_id, at, decider, features.encode(), probability, prediction)
        if policy is not None:
            decision, rule = policy.decide(application(**changes), probability)
            record = structs.replace(record, decision=decision, rule=rule, policy=policy.digest)
        self.write_records([record], [])
        return decision_id

    def activate(self, policy: Policy | None) -> None:
        """Write the activation of a policy, or the end of the last one."""
        activation_id, at = self._next()
        activation = PolicyActivation(activation_id, at)
        if policy is not None:
            activation = PolicyActivation(activation_id, at, policy.digest, policy.version, policy.text)
        writer = DecisionWriter(self.url)
        writer.write([], [], [activation])
        writer.close()

    def batch(
        self, *probabilities: float, decider: Decider = FIRST, request_id: str = "r-2", policy: Policy | None = None
    ) -> str:
        """Write a batch with credit scores rising from 300, and return its id."""
        batch_id, at = self._next()
        rows = [application(cibil_score=300 + row) for row in range(len(probabilities))]
        given = np.array(probabilities)
        predictions = (given >= decider.threshold).astype(np.int8)
        columns = columns_of(SHIPPED, rows)
        content = pack(SHIPPED, columns, given, predictions)
        record = BatchRecord(batch_id, request_id, at, decider, len(rows), int(predictions.sum()), content)
        if policy is not None:
            decided = PolicyColumns(*policy.decide_columns(columns, given), policy.codes)
            record = structs.replace(
                record,
                content=pack(SHIPPED, columns, given, predictions, decided),
                referred=decided.decisions.tolist().count(REFER),
                declined=decided.decisions.tolist().count(DECLINE),
                policy=policy.digest,
            )
        self.write_records([], [record])
        return batch_id

    def _next(self) -> tuple[str, datetime]:
        at = self.moment
        self.moment += timedelta(minutes=1)
        return new_id(at), at

    def write_records(self, singles: Sequence[DecisionRecord], whole: Sequence[BatchRecord]) -> None:
        if self.write is not None:
            self.write(singles, whole)
            return
        writer = DecisionWriter(self.url)
        writer.write(singles, whole)
        writer.close()
