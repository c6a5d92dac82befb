"""Prometheus and Alertmanager on this machine, watching the service that runs on it."""
