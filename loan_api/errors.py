"""Errors of the service. They know nothing of HTTP; `loan_api.entrypoints.http.problems` maps them to responses.

LoanError
├── NoModelError                    no model is served yet
├── ModelUnavailableError           the registry cannot be read, or a version cannot be loaded
├── BatchTooLargeError              a batch exceeds the limit of rows
├── BatchFailedError                a batch failed for a reason in the log
├── SaturatedError                  overload; the request was not started and may be retried
├── ClientGoneError                 the client closed the connection
├── SlowBodyError                   a body did not arrive in time
├── NotRecordedError                a decision could not be recorded
│   └── JournalFullError            adapters.recording.journal
├── StorageError                    the decision log's database is unusable
│   ├── DatabaseBusyError           another process holds the lock
│   └── NewerDatabaseError          adapters.storage.migration
├── UnreadableRecordError           a record is damaged or from another version
├── ReasonsUnavailableError         a decision cannot be explained by the model that made it
├── UnknownDecisionError            no decision has this id
├── UnknownDecisionsError           some of several ids are unknown
├── ReviewConflictError             a referral's state does not permit a claim or decision
├── NotYetStoredError               the decision may still wait in the journal
├── UnusableFileError               adapters.files.text_file
└── AccessRefusedError
    ├── NotAuthenticatedError       no valid key was presented
    └── NotAllowedError             the key lacks the scope

Declared next to the code that raises them, and not LoanErrors: SettingsError (settings), RequestRefusedError and
MalformedBodyError (formats.refusals), MalformedCsvError (formats.csv_text), and JournalInUseError
(adapters.recording.journal).
"""

from collections.abc import Sequence
from typing import Literal

AccessRefusal = Literal["missing_key", "unknown_key", "missing_scope", "not_configured"]


class LoanError(Exception):
    """Base of the errors that the service raises deliberately. Their texts are safe to show."""


class NoModelError(LoanError):
    """No model is available for scoring yet."""


class ModelUnavailableError(LoanError):
    """The registry could not be read, or a version could not be loaded."""


class BatchTooLargeError(LoanError):
    """A batch has more rows than one request may contain."""


class StorageError(LoanError):
    """The decision log's database cannot be used."""


class DatabaseBusyError(StorageError):
    """Another process is writing to the decision log's database."""


class SaturatedError(LoanError):
    """The service is overloaded. The request was not started and may be retried."""


class ClientGoneError(LoanError):
    """The client no longer waits for the answer."""


class SlowBodyError(LoanError):
    """A request's body did not arrive in time."""


class BatchFailedError(LoanError):
    """A batch could not be decided, for a reason that is in the log."""


class NotRecordedError(LoanError):
    """A decision could not be recorded and therefore must not be answered."""


class UnreadableRecordError(LoanError):
    """A record cannot be read by this version of the code."""


class AccessRefusedError(LoanError):
    """Base of access refusals, with the reason and, if known, the name of the key, but never the key itself."""

    def __init__(self, text: str, reason: AccessRefusal, key_name: str | None = None) -> None:
        super().__init__(text)
        self.reason: AccessRefusal = reason
        self.key_name = key_name


class NotAuthenticatedError(AccessRefusedError):
    """The request needs a key, but none was presented or the key is not in force."""


class NotAllowedError(AccessRefusedError):
    """The request needs a scope that the key lacks, or that no key can have."""


class UnknownDecisionError(LoanError):
    """No decision with this id is recorded."""

    def __init__(self) -> None:
        super().__init__("No decision with this id is recorded. One of a batch is named BATCH_ID:ROW, from row 0.")


class ReasonsUnavailableError(LoanError):
    """A decision cannot be explained: its model has left the registry, or cannot explain or reproduce it."""


class UnknownDecisionsError(LoanError):
    """Some of several decisions are not recorded; `positions` counts from 0."""

    def __init__(self, positions: Sequence[int]) -> None:
        super().__init__(f"{len(positions)} of the decisions are not recorded.")
        self.positions = positions


class ReviewConflictError(LoanError):
    """A decision was not referred, or the state of its review does not permit the step."""


class NotYetStoredError(LoanError):
    """The decision may still be in the journal, waiting for the database."""
