"""Prometheus and Alertmanager on this machine, as the project configures them, for the service that runs here."""
