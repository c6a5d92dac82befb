"""The service's credit policy, reloaded when its file changes."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic

from loan_api.adapters.files.followed import FollowedFile
from loan_api.adapters.files.text_file import UnusableFileError, read_file
from loan_api.credit.form import Form
from loan_api.credit.policy import Policy, PolicyError, parsed_policy
from loan_api.settings import SettingsError


def check_policy_file(form: Form, path: Path) -> None:
    """Raise SettingsError, with every problem on its own line, unless the service can start with the file."""
    try:
        _parse(form, read_file(path)[0])
    except UnusableFileError as error:
        raise _not_to_start(error) from error


class FollowedPolicy:
    """The policy in a file. A mistake in the file does not change any decision."""

    def __init__(
        self, form: Form, path: Path, kept: Path | None = None, clock: Callable[[], float] = monotonic
    ) -> None:
        """Load the policy. Raises SettingsError with every problem if neither the file nor its copy is valid."""
        try:
            self._file = FollowedFile(path, partial(_parse, form), "policy", kept, clock)
        except UnusableFileError as error:
            raise _not_to_start(error) from error

    def in_force(self) -> Policy:
        """Return the policy in force, the same object until it changes."""
        return self._file.in_force()

    @property
    def problem(self) -> str | None:
        """The problem with the file, or None."""
        problem = self._file.problem
        return problem and f"the policy file is unusable, so the previous policy stays in force: {problem}"


def _parse(form: Form, text: str) -> Policy:
    try:
        # Windows begins a text file with a byte order mark.
        return parsed_policy(text.removeprefix("\ufeff"), form)
    except PolicyError as error:
        keys = ", ".join(dict.fromkeys(problem.key for problem in error.problems if problem.key))
        problems = list(map(str, error.problems))
        # Health is public, so it must not reveal conditions and limits.
        text = f"it has {len(problems)} {'error' if len(problems) == 1 else 'errors'}{f' ({keys})' if keys else ''}"
        raise UnusableFileError(text, problems) from error


def _not_to_start(error: UnusableFileError) -> SettingsError:
    return SettingsError("\n".join(f"POLICY_PATH: {problem}" for problem in error.problems))
