"""The registry follower: polls MLflow for all workers, one of which starts and stops this process.

It is the only process of the service that imports MLflow.
"""

import logging.config
import os
import sys
import threading
import time

from loan_api.adapters.registry.cache import ModelCache
from loan_api.adapters.registry.cached_files import LOOK_EVERY_SECONDS
from loan_api.logs import logging_config
from loan_api.settings import Settings, read_settings


def main() -> None:
    """Follow the registry until standard input ends. Return immediately if another process already does."""
    settings = read_settings()
    cache = ModelCache.of(settings.home.models, settings.mlflow_tracking_uri, settings.model_name, settings.model_stage)
    with cache.followed() as is_follower:
        if is_follower:
            _follow(settings, cache)


def _follow(settings: Settings, cache: ModelCache) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.config.dictConfig(logging_config(settings.log_level))
    # A pooled connection keeps reading a deleted file. After the database was restored from a backup, it would see the
    # old content forever.
    os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    from loan_api.adapters.registry.following import Follower
    from loan_api.adapters.registry.mlflow_source import MlflowModels

    models = MlflowModels(settings.mlflow_tracking_uri, settings.model_name, settings.model_stage)
    follower = Follower(models, cache)
    while True:
        follower.poll()
        next_poll = time.monotonic() + settings.model_poll_seconds
        while (left := next_poll - time.monotonic()) > 0:
            follower.answer_requests()
            time.sleep(min(left, LOOK_EVERY_SECONDS))


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
