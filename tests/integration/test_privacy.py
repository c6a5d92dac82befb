"""Neither MLflow nor onnxruntime reports usage."""

import subprocess
import sys
from pathlib import Path

import pytest

from loan_api.settings import PROJECT_ROOT


@pytest.mark.parametrize("module", ["training.tracking.store", "loan_api.adapters.registry.mlflow_source"])
def test_telemetry_is_off_wherever_mlflow_is_used(module: str) -> None:
    """Use a separate process, because MLflow disables telemetry under pytest and in CI."""
    script = f"import {module}; from mlflow.telemetry.client import get_telemetry_client as get; assert get() is None"
    run(script, {})


def test_onnxruntime_keeps_nothing_to_report(tmp_path: Path) -> None:
    """Check for a device id in the home folder, which an import with telemetry enabled writes."""
    run("import loan_api.scoring.compiled", {"HOME": str(tmp_path)})
    assert list(tmp_path.rglob("*")) == []


def run(script: str, environ: dict[str, str]) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT_ROOT,
        env={"PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
