"""The bare Flask view that the service is measured against: `gunicorn benchmarks.bare_flask:app`.

It answers with as many bytes as a decision has, and does nothing else.
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
