"""MLflow does not call home."""

import subprocess
import sys

import pytest

from loan_api.settings import PROJECT_ROOT


@pytest.mark.parametrize("module", ["training.tracking.store", "loan_api.registry.mlflow_source"])
def test_telemetry_is_off_wherever_mlflow_is_used(module: str) -> None:
    """In a process of its own: under pytest and in CI, MLflow turns it off by itself."""
    script = (
        f"import {module}; from mlflow.telemetry.client import get_telemetry_client; "
        "assert get_telemetry_client() is None"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT_ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
