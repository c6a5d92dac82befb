"""From applications to probabilities."""

import os

# Nothing about a lender's models leaves the house. Here, as onnxruntime looks when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
