"""Realistic traffic for a running service, so that anyone can watch dashboards move and alerts fire."""
