"""Follows the file of API keys: what is changed there is in force within a second, without a restart."""

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
    """Raises SettingsError, naming the file, unless a service can start with it."""
    try:
        parse_keys(read_file(path)[0])
    except KeyFileError as error:
        raise _not_to_start(path, error) from error


class NoKeys:
    """No keys are configured."""

    problem = None

    def in_force(self) -> tuple[ApiKey, ...] | None:
        """None: there is no file to follow."""
        return None


class FollowedKeys:
    """The keys in a file, looked at when they are asked for, at most once a second.

    While the file cannot be read or is malformed, the keys of before stay in force: neither locking every client out
    nor letting everyone in is what a slip of an editor should do. `kept` is where they are kept beyond the process, so
    that a worker that takes the place of another has them too.
    """

    def __init__(self, path: Path, kept: Path | None = None, clock: Callable[[], float] = monotonic) -> None:
        """Raises SettingsError, naming the file, where it cannot be used and no keys are kept from before."""
        self._path = path
        self._kept = kept
        self._clock = clock
        self._stamp: Stamp | None = None
        self._problem: str | None = None
        self._look_at = clock() + _LOOK_EVERY_SECONDS
        try:
            self._keys = self._read()
        except KeyFileError as error:
            self._keys = self._keys_of_before(error)
            self._note(error)

    def in_force(self) -> tuple[ApiKey, ...]:
        """The keys that count now."""
        self._look()
        return self._keys

    @property
    def problem(self) -> str | None:
        """What is wrong with the file; None where nothing is."""
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
        _log.info("API keys read", extra={"keys": len(self._keys)})

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
            _log.warning("API keys not kept for other workers", extra={"error": type(error).__name__})

    def _keys_of_before(self, error: KeyFileError) -> tuple[ApiKey, ...]:
        if self._kept is None:
            raise _not_to_start(self._path, error) from error
        try:
            return parse_keys(read_file(self._kept)[0])
        except KeyFileError:
            raise _not_to_start(self._path, error) from error

    def _note(self, error: KeyFileError) -> None:
        """Says what is wrong, once for each thing that is."""
        problem = f"the file of API keys cannot be used, the keys of before stay in force: {error}"
        if problem != self._problem:
            self._problem = problem
            _log.error("API keys not read", extra={"path": str(self._path), "problem": str(error)})


def _not_to_start(path: Path, error: KeyFileError) -> SettingsError:
    return SettingsError(f"API_KEYS_FILE names {path}, which cannot be used: {error}")
