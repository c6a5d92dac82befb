"""The archive of decisions for a web worker: every question is asked aside, over a connection of its own."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from loan_api.services.audit import (
    DecisionName,
    FoundDecision,
    Page,
    RecordedBatch,
    Search,
    Telling,
    TellingResult,
    ToldOutcome,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

_T = TypeVar("_T")
# Between two groups of decisions the recorder may leave others less time than it takes by itself.
_PATIENCE = 5.0


class DatabaseArchive:
    """The decisions in the database at `url`. `aside` runs a function where it holds up nobody.

    Nothing outlives a call, so that no two threads ever share a lock. SQLAlchemy is imported with the first of them:
    most workers never need it.
    """

    def __init__(
        self,
        url: str,
        aside: Callable[[Callable[[], Any]], Any] = lambda function: function(),
        patience: float = _PATIENCE,
    ) -> None:
        self._url = url
        self._aside = aside
        self._patience = patience

    def find(self, name: DecisionName) -> FoundDecision | RecordedBatch | None:
        """The decision or, named without a row, the batch."""

        def ask(connection: "Connection") -> FoundDecision | RecordedBatch | None:
            from loan_api.adapters.storage.decision_reader import find

            return find(connection, name)

        return self._ask(ask)

    def page(self, search: Search, start: DecisionName | None, limit: int) -> Page:
        """The decisions from `start` on, another page's `following`; from the newest on without it."""

        def ask(connection: "Connection") -> Page:
            from loan_api.adapters.storage.decision_pages import read_page

            return read_page(connection, search, start, limit)

        return self._ask(ask)

    def tell(self, tellings: Sequence[Telling], told_at: datetime, told_by: str | None) -> TellingResult:
        """Keeps what is new of it, all or nothing; of several about one decision the last stands."""

        def ask(connection: "Connection") -> TellingResult:
            from loan_api.adapters.storage.outcome_writer import tell

            return tell(connection, tellings, told_at, told_by)

        return self._ask(ask)

    def unknown(self, names: Sequence[DecisionName]) -> Sequence[int]:
        """Which of them (positions) name no decision."""

        def ask(connection: "Connection") -> Sequence[int]:
            from loan_api.adapters.storage.outcome_writer import unknown_positions

            return unknown_positions(connection, names)

        return self._ask(ask)

    def outcomes(self, name: DecisionName) -> Sequence[ToldOutcome]:
        """All that was told of one decision, in that order."""

        def ask(connection: "Connection") -> Sequence[ToldOutcome]:
            from loan_api.adapters.storage.decision_reader import told

            return told(connection, name)

        return self._ask(ask)

    def _ask(self, question: Callable[["Connection"], _T]) -> _T:
        def asked() -> _T:
            from loan_api.adapters.storage.database import connected

            with connected(self._url, self._patience) as connection:
                return question(connection)

        answer: _T = self._aside(asked)
        return answer
