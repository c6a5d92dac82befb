"""Imports determine a web worker's memory: serving a compiled model imports no training library."""

import json
import subprocess
import sys

from loan_api.settings import PROJECT_ROOT
from tests.support.homes import TrainedHome

_WORKER = """
import json, os, sys
from loan_api.app import create_app
from tests.support.waiting import wait_until
client = create_app().test_client()
wait_until(lambda: client.get("/health/ready").status_code == 200, "the model to be loaded", seconds=60)
from tests.support.applications import ASSESSMENT_BATCH, ASSESSMENT_SINGLE
statuses = [client.post("/predict", json=dict(ASSESSMENT_SINGLE)).status_code]
statuses += [client.post("/predict/batch", json=dict(ASSESSMENT_BATCH)).status_code]
scorer = client.get("/model").json["scorer"]
print(json.dumps({"statuses": statuses, "scorer": scorer, "modules": sorted(sys.modules)}))
os._exit(0)
"""


def test_a_worker_with_a_compiled_model_imports_no_machine_learning_libraries(own_home: TrainedHome) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", _WORKER],
        cwd=PROJECT_ROOT,
        env={"PATH": "", **own_home.environ},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found = json.loads(finished.stdout)
    assert found["statuses"] == [200, 200]
    assert found["scorer"] == "compiled"
    # Only the desk needs them.
    assert {"flask_wtf", "wtforms", "markdown_it"}.isdisjoint(found["modules"])
    heavy = {"mlflow", "sklearn", "pandas", "scipy", "pyarrow", "skops", "lightgbm", "alembic", "onnx"}
    assert heavy.isdisjoint(found["modules"])
