"""Bare Flask view, the service's baseline: `gunicorn tools.benchmarks.bare_flask:app`.

It returns a constant response of the size of a decision.
"""

import json

from flask import Flask, Response

_ANSWER = json.dumps(
    {
        "prediction": 1,
        "probability": 0.9876543283462524,
        "model_version": "1.0.0",
        "timestamp": "2024-03-13T10:30:00Z",
        "decision_id": "01a207a2-8c0d-726e-bc34-4d4998fbc280",
    },
    separators=(",", ":"),
)

app = Flask(__name__)


@app.post("/predict")
def predict() -> Response:
    """Return a constant answer."""
    return Response(_ANSWER, mimetype="application/json")
