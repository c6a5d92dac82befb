"""The review queue for a web worker: each query runs outside the event loop, over its own connection."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from loan_api.services.audit import DecisionName
from loan_api.services.review_state import Review, ReviewStatus, ReviewStep
from loan_api.services.reviews import Backlog, Referral, ReviewPage

if TYPE_CHECKING:
    from sqlalchemy import Connection

_T = TypeVar("_T")
# The recorder may leave others little time between two of its transactions.
_PATIENCE = 5.0


class DatabaseReviews:
    """The reviews in the database at `url`. `run_in_thread` runs a function without blocking the loop.

    SQLAlchemy is imported by the first call, because fakes replace this class in tests of the service.
    """

    def __init__(
        self,
        url: str,
        run_in_thread: Callable[[Callable[[], Any]], Any] = lambda function: function(),
        patience: float = _PATIENCE,
    ) -> None:
        self._url = url
        self._run_in_thread = run_in_thread
        self._patience = patience

    def page(self, status: ReviewStatus, start: DecisionName | None, limit: int, now: datetime) -> ReviewPage:
        """Return the page that begins at `start`, the `following` of the previous page; None for the first page."""

        def query(connection: "Connection") -> ReviewPage:
            from loan_api.adapters.storage.review_reader import read_review_page

            return read_review_page(connection, status, start, limit, now)

        return self._run(query)

    def review(self, referral: Referral) -> Review:
        """Return the review of a referral."""

        def query(connection: "Connection") -> Review:
            from loan_api.adapters.storage.review_reader import read_review

            return read_review(connection, referral)

        return self._run(query)

    def append(self, referral: Referral, step_after: Callable[[Review], ReviewStep | None]) -> Review | None:
        """Append the step that `step_after` returns for the review, if any, and return the review with it."""

        def query(connection: "Connection") -> Review | None:
            from loan_api.adapters.storage.review_writer import append_step

            return append_step(connection, referral, step_after)

        return self._run(query)

    def backlog(self) -> Backlog:
        """Return the size and the age of the queue."""

        def query(connection: "Connection") -> Backlog:
            from loan_api.adapters.storage.review_reader import read_backlog

            return read_backlog(connection)

        return self._run(query)

    def _run(self, query: Callable[["Connection"], _T]) -> _T:
        def run() -> _T:
            from loan_api.adapters.storage.database import connected

            with connected(self._url, self._patience) as connection:
                return query(connection)

        answer: _T = self._run_in_thread(run)
        return answer
