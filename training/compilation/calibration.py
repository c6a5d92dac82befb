"""The calibrators of CalibratedClassifierCV as graph operations."""

from typing import Any

import numpy as np

from training.compilation.graph import Graph
from training.compilation.trees import TreeEnsemble, add_sum, search_tree
from training.errors import NotCompilableError


def add_calibration(graph: Graph, calibrator: Any, score: str) -> str:
    """Add the calibrated probability (n, 1) of a float64 score (n, 1)."""
    match type(calibrator).__name__:
        case "_SigmoidCalibration":
            return _sigmoid(graph, calibrator, score)
        case "IsotonicRegression":
            return _isotonic(graph, calibrator, score)
        case other:
            raise NotCompilableError(f"calibration with {other} is not compiled")


def _sigmoid(graph: Graph, calibrator: Any, score: str) -> str:
    """Compute 1 / (1 + e^(a · score + b)): Platt, Probabilistic Outputs for Support Vector Machines, 1999."""
    product = graph.add("Mul", score, graph.constant(float(calibrator.a_)))
    return graph.logistic(graph.add("Neg", graph.add("Add", product, graph.constant(float(calibrator.b_)))))


def _isotonic(graph: Graph, calibrator: Any, score: str) -> str:
    """Interpolate between the breakpoints with the operations of scikit-learn, all in float64.

    Plateaus are exact: their slope is 0, and their height is added last.
    """
    starts, heights = calibrator.X_thresholds_, calibrator.y_thresholds_
    # The last breakpoint is a flat piece.
    slopes = np.append((heights[1:] - heights[:-1]) / (starts[1:] - starts[:-1]), 0.0)
    # numpy.interp assigns a breakpoint to the piece on its right.
    ensemble = TreeEnsemble([search_tree(starts[1:])], strict=True)
    score = graph.add("Max", score, graph.constant(float(calibrator.X_min_)))
    score = graph.add("Min", score, graph.constant(float(calibrator.X_max_)))
    piece = graph.cast(add_sum(graph, ensemble, score), np.int64)
    start, height, slope = (graph.add("Gather", graph.constant(table), piece) for table in (starts, heights, slopes))
    rise = graph.add("Mul", slope, graph.add("Sub", score, start))
    answer = graph.add("Add", rise, height)
    # CalibratedClassifierCV also clips values that rounding raised above 1.
    return graph.add("Min", answer, graph.constant(1.0))
