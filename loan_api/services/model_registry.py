"""The model that this process serves: loaded once, cached, and replaced when the registry names another version.

`ModelRegistry` compares the desired version, as reported by a `ModelSource`, with the `ServedModel` and loads a new
one if they differ. The source knows MLflow; this module does not.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Protocol

from loan_api.errors import ModelUnavailableError, NoModelError
from loan_api.scoring.package import ModelVersion
from loan_api.scoring.promotions import Event
from loan_api.scoring.scorer import Scorer
from loan_api.scoring.watched import WatchedDistribution
from loan_api.services.decision_log import Decider

RETRY_SECONDS = 60.0
_NEVER_POLLED = "the registry has not been polled yet"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DesiredVersion:
    """The version that the registry names for serving, as last polled, and the problem with polling or fetching it.

    `polled_at` is in seconds of the machine's monotonic clock. After a failed poll, `version` is the last one known.
    """

    version: ModelVersion | None
    problem: str | None
    polled_at: float


@dataclass(frozen=True)
class ServedModel:
    """A version ready to score. `why_not_compiled` explains why the reference pipeline scores; None if it does not."""

    version: ModelVersion
    scorer: Scorer
    watched: WatchedDistribution
    artifact: Path
    loaded_at: datetime
    why_not_compiled: str | None = None
    decider: Decider = field(init=False)

    def __post_init__(self) -> None:
        version = self.version
        decider = Decider(version.name, version.registry_version, version.semantic_version, version.facts.threshold)
        object.__setattr__(self, "decider", decider)


class ModelSource(Protocol):
    """Provides models and knows which one is desired."""

    def desired(self) -> DesiredVersion | None:
        """Return the desired version, or None before the first poll of the registry. Never blocks."""

    def last_good(self) -> ModelVersion | None:
        """Return the version that any process last loaded successfully."""

    def history(self) -> Sequence[Event]:
        """Return the changes of Production, oldest first. Never blocks."""

    def files_of(self, version: ModelVersion) -> object:
        """Return a value that changes whenever the files of that version change."""

    def load(self, version: ModelVersion, loaded_at: datetime) -> ServedModel:
        """Load and verify that version. Raises ModelUnavailableError."""


class ReloadObserver(Protocol):
    """Observes changes of the served model, successful or not."""

    def model_loaded(self, model: ServedModel, replaced: ServedModel | None) -> None:
        """Record that `model` is now served."""

    def model_load_failed(self) -> None:
        """Record that the registry could not be read, or that the desired version could not be loaded."""


@dataclass(frozen=True)
class _Rejection:
    """The last version that failed to load: which files, when (monotonic seconds), and why."""

    key: str
    files: object
    at: float
    problem: str

    def holds_for(self, key: str, files: object, seconds: float) -> bool:
        """Return whether this applies to those files and is less than `seconds` old."""
        return (self.key, self.files) == (key, files) and monotonic() - self.at < seconds


class ModelRegistry:
    """Caches the served model and follows the desired version.

    Reading `current` never blocks once a model is loaded, and never touches the registry. A version that fails to load
    is rejected: the previous model continues to serve, and `problem` says why. A process that has just started and
    cannot load the desired version serves the last good one. A rejected version is retried when its files change, or
    after `retry_seconds`.
    """

    def __init__(
        self,
        source: ModelSource,
        observer: ReloadObserver,
        now: Callable[[], datetime],
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._source = source
        self._observer = observer
        self._now = now
        self._retry_seconds = retry_seconds
        self._served: ServedModel | None = None
        self._problem: str | None = _NEVER_POLLED
        self._rejection: _Rejection | None = None
        self._polled_at = 0.0
        self._lock = threading.Lock()

    @property
    def current(self) -> ServedModel:
        """Return the served model. Raises NoModelError before the first one is loaded."""
        served = self._served
        if served is None:
            self.refresh()
            served = self._served
        if served is None:
            raise NoModelError("No model is in production yet. Train and promote one, then try again.")
        return served

    @property
    def is_loaded(self) -> bool:
        """True if a model is loaded; refreshes first if not.

        Therefore, once one process reports that it is ready, all of them are.
        """
        if self._served is None:
            self.refresh()
        return self._served is not None

    @property
    def problem(self) -> str | None:
        """Return why the desired version is not served, as of the last refresh; None if it is."""
        return self._problem

    @property
    def history(self) -> Sequence[Event]:
        """Return the changes of Production, oldest first, as far as they are known without asking the registry."""
        return self._source.history()

    def refresh(self) -> None:
        """Read the desired version and load it if another one is served."""
        with self._lock:
            self._refresh()

    def _refresh(self) -> None:
        desired = self._source.desired()
        if desired is None:
            return
        problem = desired.problem
        if problem is not None and desired.polled_at != self._polled_at:
            self._observer.model_load_failed()
        self._polled_at = desired.polled_at
        if desired.version is not None:
            problem = self._follow(desired.version) or problem
        if self._served is None:
            self._fall_back()
        if self._served is not None and desired.version is None:
            problem = problem or "the registry names no version to serve; the last good one continues to serve"
        if problem is not None and problem != self._problem:
            _log.error("model not loaded", extra={"problem": problem})
        self._problem = problem

    def watch(self, seconds: float) -> None:
        """Call `refresh` every `seconds` and never return; run it in its own thread."""
        pause = threading.Event()
        while not pause.wait(seconds):
            try:
                self.refresh()
            except Exception:  # noqa: BLE001
                # The thread must survive any fault of the disk.
                _log.exception("the desired version could not be followed")

    def _follow(self, version: ModelVersion) -> str | None:
        """Serve the version, or return the reason why it cannot be served."""
        served = self._served
        if served is not None and served.version.key == version.key:
            if served.version != version:
                self._served = replace(served, version=version)
            return None
        files = self._source.files_of(version)
        last = self._rejection
        if last is not None and last.holds_for(version.key, files, self._retry_seconds):
            return last.problem
        try:
            self._swap(version)
        except ModelUnavailableError as error:
            self._observer.model_load_failed()
            problem = f"version {version.registry_version} of {version.name} was rejected: {error}"
            self._rejection = _Rejection(version.key, files, monotonic(), problem)
            return problem
        return None

    def _fall_back(self) -> None:
        good = self._source.last_good()
        if good is None:
            return
        try:
            self._swap(good)
        except ModelUnavailableError as error:
            _log.error("last good model not loaded", extra={"problem": str(error)})

    def _swap(self, version: ModelVersion) -> None:
        loaded = self._source.load(version, self._now())
        replaced, self._served = self._served, loaded
        self._observer.model_loaded(loaded, replaced)
        _log.info(
            "model loaded",
            extra={
                "model_version": version.semantic_version,
                "registry_version": version.registry_version,
                "scorer": loaded.scorer.name,
            },
        )
        if loaded.why_not_compiled is not None:
            _log.warning("the reference pipeline scores", extra={"why": loaded.why_not_compiled})
