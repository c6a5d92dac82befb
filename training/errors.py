"""What can stop a training run. The text of each is one line, safe to show, and says where to look."""


class TrainingError(Exception):
    """Base of the errors that end a command with a clear line and exit code 1."""


class DatasetError(TrainingError):
    """The dataset cannot be used as it is."""


class CandidateError(TrainingError):
    """A candidate was asked for that does not exist or whose library is not installed."""


class NoWinnerError(TrainingError):
    """No candidate is better than the baseline."""


class TrackingUnreachableError(TrainingError):
    """The tracking store does not answer."""


class VersionError(TrainingError):
    """The registry has no such version."""


class RunNotFoundError(TrainingError):
    """The tracking store has no such run."""


class GateRefusedError(TrainingError):
    """The promotion gate refused a version. What was in Production stays there."""
