"""Trains loan approval models and puts them into production."""

import os

# Disable telemetry, because a lender's models are confidential. MLflow reads this when it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
