"""What the service does, without HTTP, Prometheus, MLflow or SQL."""
