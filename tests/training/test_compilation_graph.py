"""Each building block of a compiled form equals its original."""

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from loan_api.scoring.compiled import GRAPH_INPUT
from training.compilation.calibration import add_calibration
from training.compilation.graph import Graph
from training.compilation.trees import TreeEnsemble, add_sum, search_tree


def run(graph: Graph, output: str, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evaluate a graph over one input on n values."""
    session = onnxruntime.InferenceSession(graph.finish(output), providers=["CPUExecutionProvider"])
    answers: NDArray[np.float64] = session.run(None, {GRAPH_INPUT: inputs.reshape(-1, 1)})[0][:, 0]
    return answers


def neighbours(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([np.nextafter(values, -np.inf), values, np.nextafter(values, np.inf)])


def test_the_logistic_is_exact_and_has_no_limits() -> None:
    values = np.concatenate([np.linspace(-60, 60, 5001), [-1e308, -800.0, -709.9, 709.9, 800.0, 1e308]])
    graph = Graph(1)
    answers = run(graph, graph.logistic(GRAPH_INPUT), values)
    np.testing.assert_array_max_ulp(answers[:5001], expit(values[:5001]), maxulp=2)
    assert answers[-6:] == pytest.approx([0, 0, 0, 1, 1, 1], abs=1e-300)


@pytest.mark.parametrize("size", [0, 1, 2, 7, 100])
def test_the_search_tree_counts_the_thresholds_that_are_reached(size: int) -> None:
    thresholds = np.sort(np.random.default_rng(size).random(size))
    values = neighbours(np.append(thresholds, 0.5))
    for strict, side in ((True, "right"), (False, "left")):
        graph = Graph(1)
        found = run(graph, add_sum(graph, TreeEnsemble([search_tree(thresholds)], strict=strict), GRAPH_INPUT), values)
        assert np.array_equal(found, np.searchsorted(thresholds, values, side=side))  # type: ignore[call-overload]


@pytest.mark.parametrize("rows", [1, 2, 200])
def test_isotonic_calibration_is_equal_to_the_last_bit(rows: int) -> None:
    """Test on, around, between and outside the breakpoints, so that plateaus are exact."""
    random = np.random.default_rng(rows)
    scores = random.normal(size=rows)
    outcomes = (random.random(rows) < expit(scores)).astype(np.float64)
    calibrator = IsotonicRegression(out_of_bounds="clip").fit(scores, outcomes)
    values = np.concatenate([neighbours(calibrator.X_thresholds_), random.normal(size=500), [-1e9, 1e9]])
    graph = Graph(1)
    answers = run(graph, add_calibration(graph, calibrator, GRAPH_INPUT), values)
    assert np.array_equal(answers, calibrator.predict(values))
