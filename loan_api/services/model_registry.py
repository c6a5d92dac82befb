"""The model that this process serves: loaded once, cached, replaced when the registry names another."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from loan_api.credit.errors import ModelUnavailableError, NoModelError
from loan_api.scoring.package import ModelVersion
from loan_api.scoring.scorer import Scorer

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServedModel:
    """A model ready to score, and since when."""

    version: ModelVersion
    scorer: Scorer
    loaded_at: datetime


class ModelSource(Protocol):
    """Where models come from. Both methods raise ModelUnavailableError."""

    def find_served_version(self) -> str | None:
        """The registry version that should be served, or None where there is none."""

    def load(self, registry_version: str) -> tuple[ModelVersion, Scorer]:
        """That version, ready to score."""


class ReloadObserver(Protocol):
    """Is told when the served model changes, or should have and did not."""

    def model_loaded(self, model: ServedModel, replaced: ServedModel | None) -> None:
        """`model` is served from now on."""

    def model_load_failed(self) -> None:
        """Another version should be served, but it could not be found or loaded."""


class ModelRegistry:
    """Caches the served model and follows the registry.

    Reading `current` never waits and never touches the registry. A version that cannot be loaded stays out; what was
    served before it is served on, and `problem` says why.
    """

    def __init__(self, source: ModelSource, observer: ReloadObserver, now: Callable[[], datetime]) -> None:
        self._source = source
        self._observer = observer
        self._now = now
        self._served: ServedModel | None = None
        self._problem: str | None = None

    @property
    def current(self) -> ServedModel:
        """The served model. Raises NoModelError while there is none."""
        served = self._served
        if served is None:
            raise NoModelError("No model is in production yet. Train and promote one, then try again.")
        return served

    @property
    def is_loaded(self) -> bool:
        """Whether there is a model to score with."""
        return self._served is not None

    @property
    def problem(self) -> str | None:
        """Why the registry's wish could not be followed at the last look; None where it could."""
        return self._problem

    def refresh(self) -> None:
        """Looks at the registry once and loads what should be served, if that is another version."""
        try:
            wanted = self._source.find_served_version()
            if wanted is not None and (self._served is None or self._served.version.registry_version != wanted):
                self._swap(*self._source.load(wanted))
        except ModelUnavailableError as error:
            self._observer.model_load_failed()
            if self._problem != str(error):
                _log.error("model not loaded", extra={"problem": str(error)})
            self._problem = str(error)
        else:
            self._problem = None

    def watch(self, seconds: float) -> None:
        """Calls `refresh` every `seconds` from a background thread for as long as the process lives."""

        def follow() -> None:
            pause = threading.Event()
            while not pause.wait(seconds):
                self.refresh()

        threading.Thread(target=follow, name="model-registry", daemon=True).start()

    def _swap(self, version: ModelVersion, scorer: Scorer) -> None:
        replaced, self._served = self._served, ServedModel(version, scorer, loaded_at=self._now())
        self._observer.model_loaded(self._served, replaced)
        _log.info(
            "model loaded",
            extra={"model_version": version.semantic_version, "registry_version": version.registry_version},
        )
