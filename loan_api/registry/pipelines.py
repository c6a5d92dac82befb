"""Loads the reference pipeline of an artifact. Imports MLflow and scikit-learn when it is called, not before."""

import logging
from pathlib import Path
from typing import Any


def load_pipeline(artifact: Path) -> Any:
    """The fitted pipeline; it raises what the libraries raise."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    import mlflow

    return mlflow.sklearn.load_model(str(artifact))
