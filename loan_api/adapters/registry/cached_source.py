"""The model source of a worker: the local cache, kept up to date by a follower that the worker sees to."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from loan_api.adapters.registry.cache import ModelCache, age
from loan_api.adapters.registry.pipelines import load_pipeline
from loan_api.scoring.loading import LoadedModel, load_scorer
from loan_api.scoring.package import ModelVersion
from loan_api.services.model_registry import Wish

# How long a worker that has just started waits for a first look at the registry before it goes by the cache alone.
_PATIENCE_SECONDS = 15.0


class Follower(Protocol):
    """The process that looks at the registry."""

    def ensure_running(self) -> object:
        """Starts it where it does not run."""


class CachedModelSource:
    """Reads what the follower writes. `aside` runs a function where it holds up nobody.

    What the registry was seen to want before `believed_from` (monotonic seconds), the server's start, is no news: a
    version may have been promoted while nobody looked.
    """

    def __init__(
        self,
        cache: ModelCache,
        follower: Follower,
        poll_seconds: float,
        believed_from: float,
        aside: Callable[[Callable[[], Any]], Any] = lambda function: function(),
    ) -> None:
        self._cache = cache
        self._follower = follower
        self._oldest = 5.0 + 3 * poll_seconds
        self._believed_from = believed_from
        self._aside = aside
        self._started = monotonic()

    def wish(self) -> Wish | None:
        """What the follower saw last, with a problem where that is long ago."""
        if not self._cache.is_followed():
            self._follower.ensure_running()
        wish = self._cache.read_wish()
        if wish is None or wish.looked_at < self._believed_from:
            if monotonic() - self._started < _PATIENCE_SECONDS:
                return None
            return Wish(version=None, problem="the registry has not been looked at yet", looked_at=0.0)
        if age(wish) > self._oldest:
            return replace(wish, problem=f"the registry has not been looked at for over {self._oldest:.0f} seconds")
        return wish

    def last_good(self) -> ModelVersion | None:
        """The version that last proved itself in a worker."""
        return self._cache.read_good()

    def files_of(self, version: ModelVersion) -> object:
        """Something that changes when the files of that version are fetched or removed."""
        return self._cache.files_of(version.key)

    def load(self, version: ModelVersion) -> LoadedModel:
        """That version from the cache, verified. Raises ModelUnavailableError."""

        def verified() -> LoadedModel:
            artifact: Path = self._cache.artifact(version)
            return load_scorer(artifact, version.facts, load_pipeline)

        loaded: LoadedModel = self._aside(verified)
        self._cache.write_good(version)
        return loaded
