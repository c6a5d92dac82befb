"""Access to a real registry as in a worker, without a follower process."""

from loan_api.adapters.registry.cache import ModelCache
from loan_api.adapters.registry.cached_source import CachedModelSource
from loan_api.adapters.registry.following import Follower
from loan_api.adapters.registry.mlflow_source import MlflowModels
from loan_api.credit.form import read_form
from tests.support.homes import TrainedHome


class FollowerInThisProcess:
    """Follower that polls the registry whenever a worker ensures that it runs."""

    def __init__(self, home: TrainedHome) -> None:
        settings = home.settings
        models = MlflowModels(settings.mlflow_tracking_uri, settings.model_name, settings.model_stage)
        self._follower = Follower(models, cache_of(home))

    def ensure_running(self) -> None:
        self._follower.poll()


def cache_of(home: TrainedHome) -> ModelCache:
    """Return the model cache of the service in that home."""
    settings = home.settings
    return ModelCache.of(settings.home.models, settings.mlflow_tracking_uri, settings.model_name, settings.model_stage)


def source_of(home: TrainedHome) -> CachedModelSource:
    """Return the model source of a worker in that home. Each reading also polls the registry."""
    form, follower = read_form(home.settings.features_path), FollowerInThisProcess(home)
    return CachedModelSource(form, cache_of(home), follower, poll_seconds=1, valid_from=0)
