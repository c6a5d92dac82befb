"""The calibrators of CalibratedClassifierCV as graph operations."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    """1 / (1 + e^(a · score + b)): Platt, Probabilistic Outputs for Support Vector Machines, 1999."""
    product = graph.add("Mul", score, graph.constant(float(calibrator.a_)))
    return graph.logistic(graph.add("Neg", graph.add("Add", product, graph.constant(float(calibrator.b_)))))


def _isotonic(graph: Graph, calibrator: Any, score: str) -> str:
    """Interpolate between the breakpoints, in the type and with the operations of scikit-learn.

    Plateaus are exact: their slope is 0, and their height is added last.
    """
    xs, ys = calibrator.X_thresholds_, calibrator.y_thresholds_
    kind = xs.dtype.type
    single = kind is np.float32
    starts, heights, slopes = _pieces(xs, ys)
    # scikit-learn interpolates float64 with numpy.interp, which assigns a breakpoint to the piece on its right, and
    # float32 with scipy, which assigns it to the left and has no piece after the last breakpoint.
    ensemble = TreeEnsemble([search_tree(starts[1:].astype(np.float64))], strict=not single)
    score = graph.cast(score, kind) if single else score
    score = graph.add("Max", score, graph.constant(kind(calibrator.X_min_)))
    score = graph.add("Min", score, graph.constant(kind(calibrator.X_max_)))
    found = add_sum(graph, ensemble, graph.cast(score, np.float64) if single else score)
    piece = graph.cast(found, np.int64)
    start, height, slope = (graph.add("Gather", graph.constant(table), piece) for table in (starts, heights, slopes))
    rise = graph.add("Mul", slope, graph.add("Sub", score, start))
    answer = graph.add("Add", rise, height)
    # CalibratedClassifierCV also clips values that rounding raised above 1.
    return graph.add("Min", graph.cast(answer, np.float64) if single else answer, graph.constant(1.0))


def _pieces(xs: NDArray[Any], ys: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return start, height and slope of each piece. In float64 the last breakpoint is a flat piece."""
    slopes = (ys[1:] - ys[:-1]) / (xs[1:] - xs[:-1])
    if xs.dtype == np.float32 and len(xs) > 1:
        return xs[:-1], ys[:-1], slopes
    return xs, ys, np.append(slopes, xs.dtype.type(0))
