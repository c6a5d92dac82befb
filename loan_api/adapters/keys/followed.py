"""The API keys of the service: those in a file, which is followed, or none."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic

from loan_api.adapters.files.followed import FollowedFile
from loan_api.adapters.files.text_file import UnusableFileError, read_file
from loan_api.adapters.keys.file import parse_keys
from loan_api.services.access import ApiKey
from loan_api.settings import SettingsError


def check_key_file(path: Path) -> None:
    """Raise SettingsError, naming the file, unless the service can start with it."""
    try:
        parse_keys(read_file(path)[0])
    except UnusableFileError as error:
        raise _not_to_start(path, error) from error


class NoKeys:
    """A key source without a file."""

    problem = None

    def in_force(self) -> tuple[ApiKey, ...] | None:
        """Return None: keys are not configured."""
        return None


class FollowedKeys:
    """The keys in a file. A mistake in it should neither lock all clients out nor let everyone in."""

    def __init__(self, path: Path, kept: Path | None = None, clock: Callable[[], float] = monotonic) -> None:
        """Load the keys. Raises SettingsError, naming the file, if it is unusable and there is no valid copy."""
        try:
            self._file = FollowedFile(path, parse_keys, "API keys", kept, clock)
        except UnusableFileError as error:
            raise _not_to_start(path, error) from error

    def in_force(self) -> tuple[ApiKey, ...]:
        """Return the keys in force."""
        return self._file.in_force()

    @property
    def problem(self) -> str | None:
        """The problem with the file, or None."""
        problem = self._file.problem
        return problem and f"the file of API keys is unusable, so the previous keys stay in force: {problem}"


def _not_to_start(path: Path, error: UnusableFileError) -> SettingsError:
    return SettingsError(f"API_KEYS_FILE names {path}, which is unusable: {error}")
