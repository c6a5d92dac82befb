"""The errors of training, all derived from TrainingError.

Each text is one line, contains no applicant data, and suggests a remedy. `python -m training` prints it and exits with
code 1; a refusal by the gate exits with 3.
"""


class TrainingError(Exception):
    """Base of the errors that end a command with one line."""


class DatasetError(TrainingError):
    """The dataset cannot be used."""


class CandidateError(TrainingError):
    """A requested candidate does not exist, or its library is not installed."""


class NotCompilableError(TrainingError):
    """The pipeline has no compiled form equal to it. The pipeline itself serves instead."""


class NoWinnerError(TrainingError):
    """No candidate beats the baseline."""


class TrackingUnreachableError(TrainingError):
    """The tracking store does not answer."""


class VersionError(TrainingError):
    """The registry has no such version."""


class RunNotFoundError(TrainingError):
    """The tracking store has no such run."""


class GateRefusedError(TrainingError):
    """The promotion gate refused a version. Production is unchanged."""
