"""MLflow's UI on the tracking store: how its process is started."""

import sys
from collections.abc import Mapping

from loan_api.settings import Settings


def ui_process(settings: Settings, environ: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Its arguments and environment. It listens on 127.0.0.1, on the port after the service's."""
    command = (
        *(sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(settings.port + 1)),
        *("--workers", "1", "--artifacts-destination", str(settings.home.artifacts)),
    )
    return command, {
        # Its job runners are for language models, and take as much memory as it does.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        **environ,
        # Not as an argument: it may have a password in it, and arguments are for all to see.
        "MLFLOW_BACKEND_STORE_URI": settings.mlflow_tracking_uri,
    }
