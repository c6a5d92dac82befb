"""Batches in processes of their own, so that they hold up nobody else."""
