"""Models from MLflow."""
