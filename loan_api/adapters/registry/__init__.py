"""The driven side of the model registry: MLflow, and a local cache for when MLflow is unavailable.

- `mlflow_source` reads versions from MLflow. Only the follower process and replays import it.
- `following` polls MLflow, fetches the desired version into the cache and publishes it there.
- `cache` stores the desired version, the last good one and their files under `LOAN_HOME/models`.
- `cached_source` is the `ModelSource` of a worker: it reads the cache and keeps a follower running.
- `pipelines` loads the reference pipeline of an artifact, and `replay_models` loads the models for replays.
"""

import os

# Disable telemetry, because a lender's models are confidential. MLflow reads this when it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
