"""Tracking: what a run records in MLflow, and how two runs compare."""
