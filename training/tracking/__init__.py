"""Tracking: records of runs in MLflow, and comparison of two runs."""
