"""What can go wrong in the domain. These know nothing of HTTP; `loan_api.api.problems` maps them."""


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
