"""Benchmarks, run by hand; their results are published in the docs."""
