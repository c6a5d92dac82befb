"""Prometheus metrics of all workers."""
