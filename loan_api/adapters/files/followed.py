"""Reloading of a file: changes take effect within a second, without a restart."""

import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Generic, TypeVar

from loan_api.adapters.files.text_file import Stamp, UnusableFileError, read_file, replace_file, stamp_of

_LOOK_EVERY_SECONDS = 1.0

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class FollowedFile(Generic[_T]):
    """The parsed content of a file, which is checked for changes on access, at most once a second.

    While the file is unreadable or malformed, the previous content stays in force: an editing mistake should not change
    what the service does. `kept` is a copy of the last valid file, for workers that replace others. `name` says in log
    lines what it contains.
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[str], _T],
        name: str,
        kept: Path | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Load the file. Raises UnusableFileError if that is impossible and there is no valid copy."""
        self._path = path
        self._parse = parse
        self._name = name
        self._kept = kept
        self._clock = clock
        self._stamp: Stamp | None = None
        self._error: UnusableFileError | None = None
        self._look_at = clock() + _LOOK_EVERY_SECONDS
        try:
            self._content = self._read()
        except UnusableFileError as error:
            self._content = self._previous(error)
            self._note(error)

    def in_force(self) -> _T:
        """Return the content in force."""
        self._look()
        return self._content

    @property
    def problem(self) -> str | None:
        """The problem with the file, or None."""
        self._look()
        return None if self._error is None else str(self._error)

    def _look(self) -> None:
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY_SECONDS
        try:
            if self._error is None and stamp_of(self._path) == self._stamp:
                return
            self._content = self._read()
        except UnusableFileError as error:
            self._note(error)
            return
        self._error = None
        _log.info("%s loaded", self._name)

    def _read(self) -> _T:
        text, stamp = read_file(self._path)
        content = self._parse(text)
        self._stamp = stamp
        if self._kept is not None:
            self._keep(self._kept, text)
        return content

    def _keep(self, kept: Path, text: str) -> None:
        try:
            replace_file(kept, text)
        except OSError as error:
            _log.warning("%s not saved for other workers", self._name, extra={"error": type(error).__name__})

    def _previous(self, error: UnusableFileError) -> _T:
        if self._kept is None:
            raise error
        try:
            return self._parse(read_file(self._kept)[0])
        except UnusableFileError:
            raise error from None

    def _note(self, error: UnusableFileError) -> None:
        """Log a problem, once until it changes."""
        if self._error is None or error.problems != self._error.problems:
            self._error = error
            extra = {"path": str(self._path), "problem": "; ".join(error.problems)}
            _log.error("%s not loaded", self._name, extra=extra)
