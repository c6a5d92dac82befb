"""Reloading of the file of API keys: changes take effect within a second, without a restart."""

import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from loan_api.adapters.keys.file import KeyFileError, Stamp, parse_keys, read_file, replace_file, stamp_of
from loan_api.services.access import ApiKey
from loan_api.settings import SettingsError

_LOOK_EVERY_SECONDS = 1.0

_log = logging.getLogger(__name__)


def check_key_file(path: Path) -> None:
    """Raise SettingsError, naming the file, unless the service can start with it."""
    try:
        parse_keys(read_file(path)[0])
    except KeyFileError as error:
        raise _not_to_start(path, error) from error


class NoKeys:
    """A key source without a file."""

    problem = None

    def in_force(self) -> tuple[ApiKey, ...] | None:
        """Return None: keys are not configured."""
        return None


class FollowedKeys:
    """The keys in a file, which is checked for changes on access, at most once a second.

    While the file is unreadable or malformed, the previous keys stay in force: an editing mistake should neither lock
    all clients out nor let everyone in. `kept` is a copy of the last valid file, for workers that replace others.
    """

    def __init__(self, path: Path, kept: Path | None = None, clock: Callable[[], float] = monotonic) -> None:
        """Load the keys. Raises SettingsError, naming the file, if it is unusable and there is no valid copy."""
        self._path = path
        self._kept = kept
        self._clock = clock
        self._stamp: Stamp | None = None
        self._problem: str | None = None
        self._look_at = clock() + _LOOK_EVERY_SECONDS
        try:
            self._keys = self._read()
        except KeyFileError as error:
            self._keys = self._previous_keys(error)
            self._note(error)

    def in_force(self) -> tuple[ApiKey, ...]:
        """Return the keys in force."""
        self._look()
        return self._keys

    @property
    def problem(self) -> str | None:
        """The problem with the file, or None."""
        self._look()
        return self._problem

    def _look(self) -> None:
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY_SECONDS
        try:
            if self._problem is None and stamp_of(self._path) == self._stamp:
                return
            self._keys = self._read()
        except KeyFileError as error:
            self._note(error)
            return
        self._problem = None
        _log.info("API keys loaded", extra={"keys": len(self._keys)})

    def _read(self) -> tuple[ApiKey, ...]:
        text, stamp = read_file(self._path)
        keys = parse_keys(text)
        self._stamp = stamp
        if self._kept is not None:
            self._keep(self._kept, text)
        return keys

    def _keep(self, kept: Path, text: str) -> None:
        try:
            replace_file(kept, text)
        except OSError as error:
            _log.warning("API keys not saved for other workers", extra={"error": type(error).__name__})

    def _previous_keys(self, error: KeyFileError) -> tuple[ApiKey, ...]:
        if self._kept is None:
            raise _not_to_start(self._path, error) from error
        try:
            return parse_keys(read_file(self._kept)[0])
        except KeyFileError:
            raise _not_to_start(self._path, error) from error

    def _note(self, error: KeyFileError) -> None:
        """Log a problem, once until it changes."""
        problem = f"the file of API keys is unusable, so the previous keys stay in force: {error}"
        if problem != self._problem:
            self._problem = problem
            _log.error("API keys not loaded", extra={"path": str(self._path), "problem": str(error)})


def _not_to_start(path: Path, error: KeyFileError) -> SettingsError:
    return SettingsError(f"API_KEYS_FILE names {path}, which is unusable: {error}")
