"""Models that are formulas, as graph operations from float64 inputs (n, inputs) to a value (n, 1).

Each function implements the scikit-learn class of the same name.
"""

from typing import Any

import numpy as np

from training.compilation.graph import Graph
from training.errors import NotCompilableError


def logistic_regression(graph: Graph, estimator: Any, inputs: str) -> str:
    """Add the log-odds: inputs · coefficients + intercept."""
    return _affine(graph, inputs, estimator.coef_.T, estimator.intercept_)


def gaussian_nb(graph: Graph, estimator: Any, inputs: str) -> str:
    """Add P(approved): the logistic of the difference of the two classes' joint log likelihoods.

    scikit-learn divides e^likelihood by the sum over both classes, which is equivalent.
    """
    likelihoods = []
    for prior, mean, variance in zip(estimator.class_prior_, estimator.theta_, estimator.var_, strict=True):
        distances = graph.add("Sub", inputs, graph.constant(mean))
        squares = graph.add("Div", graph.add("Mul", distances, distances), graph.constant(variance))
        halves = graph.add("Mul", _row_sum(graph, squares), graph.constant(-0.5))
        start = np.log(prior) - 0.5 * np.sum(np.log(2.0 * np.pi * variance))
        likelihoods.append(graph.add("Add", halves, graph.constant(start)))
    rejected, approved = likelihoods
    return graph.logistic(graph.add("Sub", approved, rejected))


def mlp(graph: Graph, estimator: Any, inputs: str) -> str:
    """Add P(approved): layers of rectified sums, then the logistic of the last sum."""
    if (estimator.activation, estimator.out_activation_) != ("relu", "logistic"):
        raise NotCompilableError(f"MLPClassifier with activation {estimator.activation} is not compiled")
    value = inputs
    layers = list(zip(estimator.coefs_, estimator.intercepts_, strict=True))
    for weights, intercepts in layers[:-1]:
        value = graph.add("Relu", _affine(graph, value, weights, intercepts))
    return graph.logistic(_affine(graph, value, *layers[-1]))


def svc(graph: Graph, estimator: Any, inputs: str) -> str:
    """Add the decision function: Σ coefficient · e^(−gamma · squared distance to the support vector) + intercept.

    The squared distance |x − s|² is computed as |x|² − 2 x·s + |s|², which needs n × s numbers at a time instead of n ×
    s × inputs. It loses digits for distant inputs only, whose exponential is 0 anyway.
    """
    if estimator.kernel != "rbf":
        raise NotCompilableError(f"SVC with kernel {estimator.kernel} is not compiled")
    vectors = estimator.support_vectors_
    gamma = estimator._gamma  # noqa: SLF001  # the only record of the value of "scale"
    own = _row_sum(graph, graph.add("Mul", inputs, inputs))
    products = graph.add("MatMul", inputs, graph.constant(-2.0 * vectors.T))
    distances = graph.add("Add", graph.add("Add", products, own), graph.constant(np.sum(vectors**2, axis=1)))
    kernel = graph.exponential(graph.add("Mul", distances, graph.constant(-gamma)))
    return _affine(graph, kernel, estimator.dual_coef_.T, estimator.intercept_)


def _affine(graph: Graph, inputs: str, weights: Any, intercepts: Any) -> str:
    product = graph.add("MatMul", inputs, graph.constant(np.ascontiguousarray(weights, dtype=np.float64)))
    return graph.add("Add", product, graph.constant(np.asarray(intercepts, dtype=np.float64)))


def _row_sum(graph: Graph, values: str) -> str:
    return graph.add("ReduceSum", values, graph.constant(np.array([1])), keepdims=1)
