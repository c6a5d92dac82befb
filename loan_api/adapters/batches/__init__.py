"""Batches in separate processes, so that they do not delay other requests."""
