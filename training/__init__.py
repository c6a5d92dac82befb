"""Trains loan approval models and puts them into production."""

import os

# Send nothing about a lender's models anywhere. MLflow reads this when it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
