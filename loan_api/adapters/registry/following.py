"""Follows the registry: one look after another, each told to the workers."""

import logging
from dataclasses import replace
from time import monotonic

from mlflow.entities.model_registry import ModelVersion as RegistryEntry

from loan_api.adapters.registry.cache import ModelCache
from loan_api.adapters.registry.mlflow_source import MlflowModels
from loan_api.errors import ModelUnavailableError
from loan_api.scoring.package import ModelVersion
from loan_api.services.model_registry import Wish

_log = logging.getLogger(__name__)


class Follower:
    """Keeps the cache's wish as the registry has it, and fetches what is wished for."""

    def __init__(self, models: MlflowModels, cache: ModelCache) -> None:
        self._models = models
        self._cache = cache
        self._wish = Wish(version=None, problem=None, looked_at=0.0)

    def look(self) -> None:
        """Looks once. A registry that cannot be read, or a version that cannot be fetched, changes only the problem."""
        try:
            wish = Wish(version=self._staged_version(), problem=None, looked_at=monotonic())
        except ModelUnavailableError as error:
            wish = replace(self._wish, problem=str(error), looked_at=monotonic())
        except OSError as error:
            problem = f"the local cache of models cannot be written ({type(error).__name__})"
            wish = replace(self._wish, problem=problem, looked_at=monotonic())
        except Exception as error:  # noqa: BLE001  # what a damaged version leads to is not for us to foresee
            problem = f"the registry cannot be followed ({type(error).__name__})"
            wish = replace(self._wish, problem=problem, looked_at=monotonic())
        if wish.problem is not None and wish.problem != self._wish.problem:
            _log.error("registry not followed", extra={"problem": wish.problem})
        self._wish = wish
        try:
            self._cache.write_wish(wish)
        except OSError as error:
            # The workers will notice that there is no news.
            _log.error("wish not written", extra={"error": type(error).__name__})

    def _staged_version(self) -> ModelVersion | None:
        entry = self._models.find_staged()
        if entry is None:
            return None
        try:
            return self._fetched(entry)
        except ModelUnavailableError as error:
            raise ModelUnavailableError(f"version {entry.version} of {entry.name} stays out: {error}") from error

    def _fetched(self, entry: RegistryEntry) -> ModelVersion:
        digest = self._models.digest_of(entry)
        key = f"{entry.version}-{digest[:12]}"
        wished = self._wish.version
        if not self._cache.holds(key):
            artifact = self._cache.add(key, digest, lambda folder: self._models.fetch(entry, folder))
        elif wished is not None and wished.key == key and wished.aliases == tuple(entry.aliases):
            return wished
        else:
            artifact = self._cache.path(key)
        version = self._models.describe(entry, artifact)
        self._cache.prune(in_use=key)
        return version
