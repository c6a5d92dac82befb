"""The archive of decisions for a web worker: each query runs outside the event loop, over its own connection."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from loan_api.credit.form import Form
from loan_api.credit.policy import Policy
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

if TYPE_CHECKING:
    from sqlalchemy import Connection

_T = TypeVar("_T")
# The recorder may leave others little time between two of its transactions.
_PATIENCE = 5.0


class DatabaseArchive:
    """The decisions on applications of a form in the database at `url`.

    `run_in_thread` runs a function without blocking the loop. Nothing outlives a call, so no two threads share a lock.
    SQLAlchemy is imported by the first call: most workers never need it.
    """

    def __init__(
        self,
        form: Form,
        url: str,
        run_in_thread: Callable[[Callable[[], Any]], Any] = lambda function: function(),
        patience: float = _PATIENCE,
    ) -> None:
        self._form = form
        self._url = url
        self._run_in_thread = run_in_thread
        self._patience = patience

    def find(self, name: DecisionName) -> FoundDecision | RecordedBatch | None:
        """Return a decision or, for a name without a row, possibly a batch."""

        def query(connection: "Connection") -> FoundDecision | RecordedBatch | None:
            from loan_api.adapters.storage.decision_reader import find

            return find(self._form, connection, name)

        return self._run(query)

    def page(self, search: Search, start: DecisionName | None, limit: int) -> Page:
        """Return the page that begins at `start`, the `following` of the previous page; None for the first page."""

        def query(connection: "Connection") -> Page:
            from loan_api.adapters.storage.decision_pages import read_page

            return read_page(self._form, connection, search, start, limit)

        return self._run(query)

    def report(
        self, reports: Sequence[OutcomeReport], now: Callable[[], datetime], reported_by: str | None
    ) -> ReportResult:
        """Store new outcomes, all or none. The latest report about a decision wins."""

        def query(connection: "Connection") -> ReportResult:
            from loan_api.adapters.storage.outcome_writer import write_outcomes

            return write_outcomes(connection, reports, now, reported_by)

        return self._run(query)

    def unknown(self, names: Sequence[DecisionName]) -> Sequence[int]:
        """Return the positions of the names without a decision."""

        def query(connection: "Connection") -> Sequence[int]:
            from loan_api.adapters.storage.outcome_writer import unknown_positions

            return unknown_positions(connection, names)

        return self._run(query)

    def outcomes(self, name: DecisionName) -> Sequence[ReportedOutcome]:
        """Return every outcome reported for one decision, latest last."""

        def query(connection: "Connection") -> Sequence[ReportedOutcome]:
            from loan_api.adapters.storage.decision_reader import reported_outcomes

            return reported_outcomes(connection, name)

        return self._run(query)

    def policy(self, digest: str) -> Policy | None:
        """Return the recorded policy with that digest, or None if its text is missing or does not fit the form."""

        def query(connection: "Connection") -> Policy | None:
            from loan_api.adapters.storage.policies import ReplayPolicies

            return ReplayPolicies(self._form, connection).of(digest)

        return self._run(query)

    def _run(self, query: Callable[["Connection"], _T]) -> _T:
        def run() -> _T:
            from loan_api.adapters.storage.database import connected

            with connected(self._url, self._patience) as connection:
                return query(connection)

        answer: _T = self._run_in_thread(run)
        return answer
