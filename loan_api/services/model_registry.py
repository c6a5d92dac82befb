"""The model that this process serves: loaded once, cached, replaced when the registry names another."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Protocol

from loan_api.errors import ModelUnavailableError, NoModelError
from loan_api.scoring.loading import LoadedModel
from loan_api.scoring.package import ModelVersion
from loan_api.scoring.scorer import Scorer, ScoringModel
from loan_api.services.decision_log import Decider

_TRY_AGAIN_SECONDS = 60.0
_NOBODY_LOOKED = "the registry has not been looked at yet"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """What the registry was seen to want at `looked_at`, and why that could not be found out or fetched.

    `looked_at` is in seconds of the machine's monotonic clock. With a problem, `version` is what it wanted when it
    could last be read, if that is known.
    """

    version: ModelVersion | None
    problem: str | None
    looked_at: float


@dataclass(frozen=True)
class ServedModel:
    """A model ready to score, and since when; `why_not_compiled` where the reference pipeline scores."""

    version: ModelVersion
    model: ScoringModel
    artifact: Path
    loaded_at: datetime
    why_not_compiled: str | None = None
    decider: Decider = field(init=False)

    def __post_init__(self) -> None:
        version = self.version
        named = Decider(version.name, version.registry_version, version.semantic_version, version.facts.threshold)
        object.__setattr__(self, "decider", named)

    @property
    def scorer(self) -> Scorer:
        """What scores."""
        return self.model.scorer


class ModelSource(Protocol):
    """Where models come from."""

    def wish(self) -> Wish | None:
        """What the registry wants; None while nobody has looked yet. Never waits."""

    def last_good(self) -> ModelVersion | None:
        """The version that was last loaded and proved itself, by whichever process."""

    def files_of(self, version: ModelVersion) -> object:
        """Something that changes when the files of that version do."""

    def load(self, version: ModelVersion) -> LoadedModel:
        """That version, verified and ready to score. Raises ModelUnavailableError."""


class ReloadObserver(Protocol):
    """Is told when the served model changes, or should have and did not."""

    def model_loaded(self, model: ServedModel, replaced: ServedModel | None) -> None:
        """`model` is served from now on."""

    def model_load_failed(self) -> None:
        """The registry could not be read, or another version should be served and could not be loaded."""


@dataclass(frozen=True)
class _Refused:
    """The version that could not be loaded last, from which files, when (monotonic seconds) and why."""

    key: str
    files: object
    at: float
    problem: str

    def holds_for(self, key: str, files: object) -> bool:
        """Whether there is no reason yet to try that version again."""
        return (self.key, self.files) == (key, files) and monotonic() - self.at < _TRY_AGAIN_SECONDS


class ModelRegistry:
    """Caches the served model and follows the registry's wish.

    Reading `current` never waits once there is a model, and never touches the registry. A version that cannot be loaded
    stays out; what was served before it is served on, and `problem` says why. A process that has just started and
    cannot follow the wish serves the last version that was good.
    """

    def __init__(self, source: ModelSource, observer: ReloadObserver, now: Callable[[], datetime]) -> None:
        self._source = source
        self._observer = observer
        self._now = now
        self._served: ServedModel | None = None
        self._problem: str | None = _NOBODY_LOOKED
        self._refused: _Refused | None = None
        self._looked_at = 0.0
        self._lock = threading.Lock()

    @property
    def current(self) -> ServedModel:
        """The served model. Raises NoModelError while there is none."""
        served = self._served
        if served is None:
            self.refresh()
            served = self._served
        if served is None:
            raise NoModelError("No model is in production yet. Train and promote one, then try again.")
        return served

    @property
    def is_loaded(self) -> bool:
        """Whether there is a model to score with.

        While there is none, every question is a look: as soon as one process says that it is ready, all of them are.
        """
        if self._served is None:
            self.refresh()
        return self._served is not None

    @property
    def problem(self) -> str | None:
        """Why the registry's wish could not be followed at the last look; None where it could."""
        return self._problem

    def refresh(self) -> None:
        """Looks at the wish once and loads what should be served, if that is another version."""
        with self._lock:
            self._refresh()

    def _refresh(self) -> None:
        wish = self._source.wish()
        if wish is None:
            return
        problem = wish.problem
        if problem is not None and wish.looked_at != self._looked_at:
            self._observer.model_load_failed()
        self._looked_at = wish.looked_at
        if wish.version is not None:
            problem = self._follow(wish.version) or problem
        if self._served is None:
            self._fall_back()
        if self._served is not None and wish.version is None:
            problem = problem or "the registry names no version to serve; the last good one is served on"
        if problem is not None and problem != self._problem:
            _log.error("model not loaded", extra={"problem": problem})
        self._problem = problem

    def watch(self, seconds: float) -> None:
        """Calls `refresh` every `seconds` and never returns; for a thread of its own."""
        pause = threading.Event()
        while not pause.wait(seconds):
            try:
                self.refresh()
            except Exception:  # noqa: BLE001
                # The thread must outlive whatever the disk does to it.
                _log.exception("the registry's wish could not be followed")

    def _follow(self, version: ModelVersion) -> str | None:
        """Serves the version; why it cannot be, where it cannot.

        What failed is not tried again at every look, but when its files are other ones, or after a while.
        """
        served = self._served
        if served is not None and served.version.key == version.key:
            if served.version != version:
                self._served = replace(served, version=version)
            return None
        files = self._source.files_of(version)
        refused = self._refused
        if refused is not None and refused.holds_for(version.key, files):
            return refused.problem
        try:
            self._swap(version)
        except ModelUnavailableError as error:
            self._observer.model_load_failed()
            problem = f"version {version.registry_version} of {version.name} stays out: {error}"
            self._refused = _Refused(version.key, files, monotonic(), problem)
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
        loaded = self._source.load(version)
        replaced = self._served
        self._served = ServedModel(version, loaded.model, loaded.artifact, self._now(), loaded.why_not_compiled)
        self._observer.model_loaded(self._served, replaced)
        _log.info(
            "model loaded",
            extra={
                "model_version": version.semantic_version,
                "registry_version": version.registry_version,
                "scorer": loaded.model.scorer.name,
            },
        )
        if loaded.why_not_compiled is not None:
            _log.warning("the reference pipeline scores", extra={"why": loaded.why_not_compiled})
