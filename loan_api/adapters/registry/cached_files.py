"""The files of versions other than the served one, which the follower fetches on request."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from loan_api.adapters.registry.cache import ModelCache
from loan_api.adapters.registry.cached_source import Follower
from loan_api.errors import ModelUnavailableError, ReasonsUnavailableError
from loan_api.services.decision_log import Decider

# The follower looks for requests this often; a download takes seconds.
LOOK_EVERY_SECONDS = 0.25
_PATIENCE_SECONDS = 20.0


class CachedModelFiles:
    """Locates versions in the cache. `offload` runs a function without blocking the event loop."""

    def __init__(
        self,
        cache: ModelCache,
        follower: Follower,
        offload: Callable[[Callable[[], Any]], Any] = lambda function: function(),
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        self._cache = cache
        self._follower = follower
        self._offload = offload
        self._patience = patience

    def locate(self, decider: Decider) -> Path:
        """Return the verified files of the version that decided.

        Raises ReasonsUnavailableError if the registry no longer has it, ModelUnavailableError if it cannot be read.
        """
        artifact = self._cached(decider)
        if artifact is not None:
            return artifact
        self._cache.request(decider.registry_version)
        deadline = monotonic() + self._patience
        while monotonic() < deadline:
            if not self._cache.is_followed():
                self._follower.ensure_running()
            sleep(LOOK_EVERY_SECONDS)
            answer = self._cache.answered(decider.registry_version)
            if answer is not None and answer.is_gone:
                raise ReasonsUnavailableError(_gone(decider))
            if answer is not None and answer.problem is not None:
                raise ModelUnavailableError(answer.problem)
            if answer is not None:
                artifact = self._cached(decider)
                if artifact is None:
                    # A recreated registry counts its versions from 1 again.
                    raise ReasonsUnavailableError(_gone(decider))
                return artifact
        raise ModelUnavailableError("The version that decided could not be fetched from the registry in time.")

    def _cached(self, decider: Decider) -> Path | None:
        version = self._cache.find(decider.registry_version, decider.semantic_version)
        if version is None or version.name != decider.model_name:
            return None
        try:
            artifact: Path = self._offload(lambda: self._cache.artifact(version))
        except ModelUnavailableError:
            return None
        return artifact


def _gone(decider: Decider) -> str:
    return f"Version {decider.semantic_version} of {decider.model_name}, which decided, has left the registry."
