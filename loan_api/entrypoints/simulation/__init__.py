"""Realistic traffic for a running service, to watch dashboards and alerts react."""
