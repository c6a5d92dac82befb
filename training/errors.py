"""What can stop a training run. The text of each is one line, safe to show, and says where to look."""


class TrainingError(Exception):
    """Base of the errors that end a run with a clear line and nothing registered."""


class DatasetError(TrainingError):
    """The dataset cannot be used as it is."""


class CandidateError(TrainingError):
    """A candidate was asked for that does not exist or whose library is not installed."""


class NoWinnerError(TrainingError):
    """No candidate is better than the baseline."""
