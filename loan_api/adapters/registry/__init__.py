"""Models from MLflow."""

import os

# Nothing about a lender's models leaves the house. Here, as MLflow looks when it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
