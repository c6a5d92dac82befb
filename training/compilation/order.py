"""The order of rows within a batch: rows with similar paths through the trees follow each other."""

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from loan_api.scoring.compiled import GRAPH_INPUT
from training.compilation.ensembles import scikit_tree
from training.compilation.graph import Graph
from training.compilation.trees import TreeEnsemble, add_sum
from training.compilation.visits import visits

# Sorting pays from this number of trees.
_MANY = 8
_DIMENSIONS = 64
# Up to 1024 places. With more, finding a place would cost as much as the trees gain.
_DEPTH = 10
_SEED = 20240313


def scoring_order(ensemble: TreeEnsemble, matrix: NDArray[np.float64]) -> bytes | None:
    """Return a graph from inputs (n, inputs) to the rows' places in the order (n, 1), whole numbers in [0, 2^15).

    `matrix` (rows, inputs) are applications as the model sees them. A regression tree learns to predict a row's path
    through all trees; a row's place is the number of its leaf, left to right. Returns None for a few trees, which are
    faster than sorting, or if all rows take the same path.
    """
    if len(ensemble.trees) < _MANY:
        return None
    path_model = DecisionTreeRegressor(max_depth=_DEPTH, random_state=_SEED).fit(matrix, _paths(ensemble, matrix))
    if path_model.get_n_leaves() == 1:
        return None
    # Nodes are numbered left to right, parents first.
    places = np.cumsum(path_model.tree_.children_left == -1) - 1.0
    graph = Graph(matrix.shape[1])
    tree = TreeEnsemble([scikit_tree(path_model, places)], single_inputs=True)
    return graph.finish(add_sum(graph, tree, GRAPH_INPUT))


def _paths(ensemble: TreeEnsemble, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the paths (n, 64): the squared distance of two grows with the number of splits at which they part.

    A path has 1 for each split that the row passes, -1 for each that it fails and 0 for the others. As there may be
    very many splits, it is projected at random, which preserves distances (Johnson–Lindenstrauss lemma).
    """
    # The streams of RandomState are frozen (NEP 19).
    random = np.random.RandomState(_SEED)
    if ensemble.single_inputs:
        matrix = matrix.astype(np.float32).astype(np.float64)
    paths = np.zeros((len(matrix), _DIMENSIONS))
    for tree in ensemble.trees:
        for rows, passes in visits(ensemble, tree, matrix):
            paths[rows] += np.where(passes, 1.0, -1.0)[:, np.newaxis] * random.normal(size=_DIMENSIONS)
    return paths
