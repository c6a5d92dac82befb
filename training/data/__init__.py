"""Datasets: ingestion, profile and split."""
