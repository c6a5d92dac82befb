"""What can go wrong in the domain. These know nothing of HTTP; `loan_api.entrypoints.http.problems` maps them."""

from collections.abc import Sequence
from typing import Literal

AccessRefusal = Literal["missing_key", "unknown_key", "missing_scope", "not_configured"]


class LoanError(Exception):
    """Base of all errors that the system raises on purpose; its text is safe to show."""


class NoModelError(LoanError):
    """There is no model to score with yet."""


class ModelUnavailableError(LoanError):
    """The registry could not be read, or its Production model could not be loaded."""


class BatchTooLargeError(LoanError):
    """A batch has more rows than one request may carry."""


class StorageError(LoanError):
    """The decision log's database cannot be used."""


class DatabaseBusyError(StorageError):
    """Somebody else writes to the decision log's database just now."""


class SaturatedError(LoanError):
    """There is more to do than can be done; what was asked is not begun and may be asked again."""


class ClientGoneError(LoanError):
    """Whoever asked does not wait for the answer any more."""


class SlowBodyError(LoanError):
    """A request's body did not arrive in time."""


class BatchFailedError(LoanError):
    """A batch could not be decided, for a reason that is in the log."""


class NotRecordedError(LoanError):
    """A decision could not be recorded, and so must not be answered."""


class UnreadableRecordError(LoanError):
    """What was recorded cannot be read by this version of the code."""


class AccessRefusedError(LoanError):
    """Base of all refusals of access: why, and by which key it was asked, where that is known. Never the key itself."""

    def __init__(self, text: str, reason: AccessRefusal, key_name: str | None = None) -> None:
        super().__init__(text)
        self.reason: AccessRefusal = reason
        self.key_name = key_name


class NotAuthenticatedError(AccessRefusedError):
    """What was asked for needs a key, and none was presented, or one that is not in force."""


class NotAllowedError(AccessRefusedError):
    """What was asked for needs a scope that the key does not have, or that nobody can have."""


class UnknownDecisionError(LoanError):
    """No decision of that id is recorded."""

    def __init__(self) -> None:
        super().__init__("No decision with this id is recorded. One of a batch is named BATCH_ID:ROW, from row 0.")


class UnknownDecisionsError(LoanError):
    """Of several decisions, those at `positions` (from 0) are not recorded."""

    def __init__(self, positions: Sequence[int]) -> None:
        super().__init__(f"{len(positions)} of the decisions are not recorded.")
        self.positions = positions


class NotYetStoredError(LoanError):
    """What was asked for may be among the decisions that wait in the journal for the database."""
