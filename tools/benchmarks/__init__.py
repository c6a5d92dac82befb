"""Measurements, run by hand. Their figures go into the docs."""
