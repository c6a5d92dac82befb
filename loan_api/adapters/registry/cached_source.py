"""The model source of a worker: the local cache, kept current by a follower process that the worker starts."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from loan_api.adapters.registry.cache import ModelCache
from loan_api.adapters.registry.pipelines import load_pipeline
from loan_api.credit.form import Form
from loan_api.scoring.loading import load_scorer
from loan_api.scoring.package import ModelVersion
from loan_api.scoring.promotions import Event
from loan_api.services.model_registry import DesiredVersion, ServedModel

# How long a new worker waits for the first poll of the registry before it relies on the cache alone.
_FIRST_POLL_SECONDS = 15.0


class Follower(Protocol):
    """The process that polls the registry."""

    def ensure_running(self) -> object:
        """Start the process if it is not running."""


class CachedModelSource:
    """Reads the cache that the follower writes. `offload` runs a function without blocking the event loop.

    Polls from before `valid_from` (monotonic seconds), the server's start, are ignored: another version may have been
    promoted since.
    """

    def __init__(
        self,
        form: Form,
        cache: ModelCache,
        follower: Follower,
        poll_seconds: float,
        valid_from: float,
        offload: Callable[[Callable[[], Any]], Any] = lambda function: function(),
    ) -> None:
        self._form = form
        self._cache = cache
        self._follower = follower
        self._max_age = 5.0 + 3 * poll_seconds
        self._valid_from = valid_from
        self._offload = offload
        self._started = monotonic()

    def desired(self) -> DesiredVersion | None:
        """Return the follower's last poll, with a problem if it is out of date."""
        if not self._cache.is_followed():
            self._follower.ensure_running()
        desired = self._cache.read_desired()
        if desired is None or desired.polled_at < self._valid_from:
            if monotonic() - self._started < _FIRST_POLL_SECONDS:
                return None
            return DesiredVersion(version=None, problem="the registry has not been polled yet", polled_at=0.0)
        if monotonic() - desired.polled_at > self._max_age:
            return replace(desired, problem=f"the last poll of the registry was over {self._max_age:.0f} seconds ago")
        return desired

    def last_good(self) -> ModelVersion | None:
        """Return the version that a worker last loaded successfully."""
        return self._cache.read_good()

    def history(self) -> Sequence[Event]:
        """Return the changes of Production, oldest first, as of the follower's last poll."""
        return self._cache.read_history()

    def files_of(self, version: ModelVersion) -> object:
        """Return a value that changes when the files of that version are fetched or removed."""
        return self._cache.files_of(version.key)

    def load(self, version: ModelVersion, loaded_at: datetime) -> ServedModel:
        """Load that version from the cache and verify it. Raises ModelUnavailableError."""

        def verified() -> ServedModel:
            artifact: Path = self._cache.artifact(version)
            scorer, watched, why_not_compiled = load_scorer(self._form, artifact, version.facts, load_pipeline)
            return ServedModel(version, scorer, watched, artifact, loaded_at, why_not_compiled)

        loaded: ServedModel = self._offload(verified)
        self._cache.write_good(version)
        return loaded
