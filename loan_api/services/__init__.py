"""Use cases of the service and their ports, independent of HTTP, Prometheus, MLflow and SQL."""
