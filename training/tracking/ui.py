"""The MLflow UI process."""

import sys
from collections.abc import Mapping

from loan_api.settings import Settings


def ui_process(settings: Settings, environ: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the arguments and the environment of a UI on 127.0.0.1, on the port after the service's."""
    command = (
        *(sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(settings.port + 1)),
        *("--workers", "1", "--artifacts-destination", str(settings.home.artifacts)),
    )
    return command, {
        # The job runners are for language models and double the memory.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        **environ,
        # Passed in the environment, because it may contain a password and arguments are public.
        "MLFLOW_BACKEND_STORE_URI": settings.mlflow_tracking_uri,
    }
