"""The follower: polls the registry and publishes the desired version to the workers."""

import logging
from dataclasses import replace
from time import monotonic

from mlflow.entities.model_registry import ModelVersion as RegistryEntry

from loan_api.adapters.registry.cache import ModelCache, VersionRequest
from loan_api.adapters.registry.mlflow_source import MlflowModels
from loan_api.errors import ModelUnavailableError
from loan_api.scoring.package import ModelVersion
from loan_api.services.model_registry import DesiredVersion

_log = logging.getLogger(__name__)


class Follower:
    """Fetches the registry's desired version into the cache and publishes it there."""

    def __init__(self, models: MlflowModels, cache: ModelCache) -> None:
        self._models = models
        self._cache = cache
        self._desired = DesiredVersion(version=None, problem=None, polled_at=0.0)
        # The version when the history was last read: it changes with Production only.
        self._history_of: str | None = None

    def poll(self) -> None:
        """Poll once. If the registry cannot be read or the version not fetched, only the problem changes."""
        try:
            desired = DesiredVersion(version=self._staged_version(), problem=None, polled_at=monotonic())
        except ModelUnavailableError as error:
            desired = replace(self._desired, problem=str(error), polled_at=monotonic())
        except OSError as error:
            problem = f"the local cache of models cannot be written ({type(error).__name__})"
            desired = replace(self._desired, problem=problem, polled_at=monotonic())
        except Exception as error:  # noqa: BLE001  # a damaged version can fail in any way
            problem = f"the registry cannot be followed ({type(error).__name__})"
            desired = replace(self._desired, problem=problem, polled_at=monotonic())
        if desired.problem is not None and desired.problem != self._desired.problem:
            _log.error("registry not followed", extra={"problem": desired.problem})
        self._desired = desired
        try:
            self._cache.write_desired(desired)
        except OSError as error:
            # The workers notice when the last poll becomes too old.
            _log.error("desired version not written", extra={"error": type(error).__name__})

    def answer_requests(self) -> None:
        """Fetch the versions that workers have requested, and report whether the files of each are in the cache."""
        for registry_version in self._cache.requests():
            try:
                answer = self._fetch_requested(registry_version)
            except ModelUnavailableError as error:
                answer = VersionRequest(is_answered=True, problem=f"The version that decided is unavailable: {error}")
            except Exception as error:  # noqa: BLE001  # a damaged version can fail in any way
                problem = f"The version that decided cannot be fetched ({type(error).__name__})."
                answer = VersionRequest(is_answered=True, problem=problem)
            try:
                self._cache.answer(registry_version, answer)
            except OSError as error:
                # The worker gives up after a while.
                _log.error("request not answered", extra={"error": type(error).__name__})

    def _fetch_requested(self, registry_version: str) -> VersionRequest:
        entry = self._models.find_number(registry_version)
        if entry is None:
            return VersionRequest(is_answered=True, is_gone=True)
        fetched = self._fetched(entry)
        known = self._desired.version
        self._cache.prune(in_use=known.key if known is not None else fetched.key)
        return VersionRequest(is_answered=True)

    def _staged_version(self) -> ModelVersion | None:
        entry = self._models.find_staged()
        if entry is None:
            return None
        try:
            version = self._fetched(entry)
        except ModelUnavailableError as error:
            raise ModelUnavailableError(f"version {entry.version} of {entry.name} was rejected: {error}") from error
        self._cache.prune(in_use=version.key)
        self._publish_history(version)
        return version

    def _publish_history(self, version: ModelVersion) -> None:
        if version.key == self._history_of:
            return
        try:
            self._cache.write_history(self._models.history())
        except (ModelUnavailableError, OSError) as error:
            # Nothing depends on it; the next poll tries again.
            _log.warning("history not published", extra={"error": type(error).__name__})
        else:
            self._history_of = version.key

    def _fetched(self, entry: RegistryEntry) -> ModelVersion:
        digest = self._models.digest_of(entry)
        key = f"{entry.version}-{digest[:12]}"
        known = self._desired.version
        if not self._cache.holds(key):
            artifact = self._cache.add(key, digest, lambda folder: self._models.fetch(entry, folder))
        elif known is not None and known.key == key and known.aliases == tuple(entry.aliases):
            return known
        else:
            artifact = self._cache.path(key)
        version = self._models.describe(entry, artifact)
        self._cache.describe(version)
        return version
