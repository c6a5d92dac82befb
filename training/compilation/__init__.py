"""Compilation of a fitted pipeline to an ONNX graph in float64, with a proof of equality.

`form` is the entry point. `preprocessing`, `families` (with `formulas`, `ensembles`, `trees` and `calibration`) build
the `graph`; `proof` (with `visits` and `levers`) makes the applications on which graph and pipeline must agree; `order`
makes the graph that sorts batches.
"""
