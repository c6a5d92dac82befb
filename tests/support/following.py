"""What a worker has of a real registry, without the process that follows it."""

from loan_api.adapters.registry.cache import ModelCache
from loan_api.adapters.registry.cached_source import CachedModelSource
from loan_api.adapters.registry.following import Follower
from loan_api.adapters.registry.mlflow_source import MlflowModels
from tests.support.homes import TrainedHome


class FollowerInThisProcess:
    """Looks at the registry whenever a worker makes sure that somebody does."""

    def __init__(self, home: TrainedHome) -> None:
        settings = home.settings
        models = MlflowModels(settings.mlflow_tracking_uri, settings.model_name, settings.model_stage)
        self._follower = Follower(models, cache_of(home))

    def ensure_running(self) -> None:
        self._follower.look()


def cache_of(home: TrainedHome) -> ModelCache:
    """Where the service in that home keeps its models."""
    settings = home.settings
    return ModelCache.of(settings.home.models, settings.mlflow_tracking_uri, settings.model_name, settings.model_stage)


def source_of(home: TrainedHome) -> CachedModelSource:
    """Where a worker in that home has its models from; each look at it is one at the registry, too."""
    return CachedModelSource(cache_of(home), FollowerInThisProcess(home), poll_seconds=1, believed_from=0)
