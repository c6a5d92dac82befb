"""Sorting a batch brings rows with similar paths through the trees together."""

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from loan_api.scoring.compiled import GRAPH_INPUT
from training.compilation.order import scoring_order
from training.compilation.trees import Tree, TreeEnsemble
from training.compilation.visits import visits

INPUTS = 3


def random_tree(random: np.random.Generator, levels: int = 4) -> Tree:
    """Build full trees; every split has its own input and threshold."""
    splits = 2**levels - 1
    children = np.arange(1, 2 * splits + 1).reshape(-1, 2)
    children = np.where(children < splits, children, splits - 1 - children)
    inputs = random.integers(0, INPUTS, splits)
    return Tree(
        inputs,
        random.random(splits),
        children[:, 0],
        children[:, 1],
        random.random(splits + 1),
        random.random(splits) < 0.5,
    )


def forest(trees: int) -> TreeEnsemble:
    random = np.random.default_rng(trees)
    return TreeEnsemble([random_tree(random) for _ in range(trees)])


def rows(count: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random((count, INPUTS))


def places(order: bytes, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    session = onnxruntime.InferenceSession(order, providers=["CPUExecutionProvider"])
    found: NDArray[np.float64] = session.run(None, {GRAPH_INPUT: matrix})[0][:, 0]
    return found


def partings(ensemble: TreeEnsemble, matrix: NDArray[np.float64]) -> int:
    """Count how often a row takes another branch than the previous row at the same split."""
    return sum(
        int(np.count_nonzero(passes[1:] != passes[:-1]))
        for tree in ensemble.trees
        for _, passes in visits(ensemble, tree, matrix)
    )


def test_rows_that_it_has_not_seen_part_less_than_in_the_order_of_any_input() -> None:
    ensemble, matrix = forest(20), rows(2000, seed=2)
    order = scoring_order(ensemble, rows(1000, seed=1))
    assert order is not None
    ordered = partings(ensemble, matrix[np.argsort(places(order, matrix), kind="stable")])
    assert ordered < partings(ensemble, matrix) / 2
    by_an_input = [partings(ensemble, matrix[np.argsort(matrix[:, column])]) for column in range(INPUTS)]
    assert ordered < min(by_an_input) * 0.8


def test_places_are_whole_numbers_from_0_on() -> None:
    matrix = rows(1000, seed=1)
    order = scoring_order(forest(20), matrix)
    assert order is not None
    found = np.unique(places(order, matrix))
    assert np.array_equal(found, np.arange(len(found)))
    assert len(found) < 2**15


def test_the_same_rows_give_the_same_order() -> None:
    assert scoring_order(forest(8), rows(300, seed=1)) == scoring_order(forest(8), rows(300, seed=1))


@pytest.mark.parametrize("ensemble", [forest(7), TreeEnsemble([random_tree(np.random.default_rng(1), levels=0)] * 20)])
def test_few_trees_and_those_that_never_split_have_none(ensemble: TreeEnsemble) -> None:
    assert scoring_order(ensemble, rows(300, seed=1)) is None
