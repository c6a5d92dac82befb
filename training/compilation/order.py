"""The order that batches are scored in, so that rows that take similar ways through the trees follow each other."""

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from loan_api.scoring.compiled import GRAPH_INPUT
from training.compilation.ensembles import scikit_tree
from training.compilation.graph import Graph
from training.compilation.trees import TreeEnsemble, add_sum
from training.compilation.visits import visits

# Trees from which on it pays to put the rows into an order first.
_MANY = 8
_DIMENSIONS = 64
# Up to 1024 places; what more of them would gain in the trees, it takes to find them.
_DEPTH = 10
_SEED = 20240313


def scoring_order(ensemble: TreeEnsemble, matrix: NDArray[np.float64]) -> bytes | None:
    """A graph from inputs (n, inputs) to the rows' places in the order (n, 1): whole numbers from 0 on, below 2^15.

    `matrix` (rows, inputs) are applications as the model sees them. A regression tree learns from them to foretell the
    way of a row through all the trees; a row's place is the number of its leaf, from left to right. None for a few
    trees, which are done before rows are put into an order, and where all rows go the same way.
    """
    if len(ensemble.trees) < _MANY:
        return None
    foreteller = DecisionTreeRegressor(max_depth=_DEPTH, random_state=_SEED).fit(matrix, _ways(ensemble, matrix))
    if foreteller.get_n_leaves() == 1:
        return None
    # Nodes are numbered from left to right, each before those below it.
    places = np.cumsum(foreteller.tree_.children_left == -1) - 1.0
    graph = Graph(matrix.shape[1])
    tree = TreeEnsemble([scikit_tree(foreteller, places)], single_inputs=True)
    return graph.finish(add_sum(graph, tree, GRAPH_INPUT))


def _ways(ensemble: TreeEnsemble, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ways of the rows (n, 64): the squared distance of two grows with the number of splits where they part.

    A way has a 1 for each split that it passes, -1 for each that it fails, and 0 for each that it does not come by.
    There may be very many, so it is projected at random, which keeps distances (lemma of Johnson and Lindenstrauss).
    """
    # RandomState, as its streams are frozen (NEP 19).
    random = np.random.RandomState(_SEED)
    if ensemble.single_inputs:
        matrix = matrix.astype(np.float32).astype(np.float64)
    ways = np.zeros((len(matrix), _DIMENSIONS))
    for tree in ensemble.trees:
        for rows, passes in visits(ensemble, tree, matrix):
            ways[rows] += np.where(passes, 1.0, -1.0)[:, np.newaxis] * random.normal(size=_DIMENSIONS)
    return ways
