"""Decision trees in one representation for all libraries, and as a graph node."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from training.compilation.graph import TREES_DOMAIN, Graph

# Enumerations of the ONNX operator TreeEnsemble (ai.onnx.ml 5).
_SUM = 1
_NO_TRANSFORM = 0
_LESS_OR_EQUAL = 0
_LESS = 1


@dataclass(frozen=True)
class Tree:
    """A tree of m splits, root first and parents before children, and k leaves, one if m is 0.

    A row goes to `passed` of a split if its input `inputs` is below `thresholds` (or equal, depending on the ensemble),
    otherwise to `failed`. There, c >= 0 is split c and c < 0 is leaf -c - 1. A row whose input is missing goes to
    `passed` of the splits in `missing_passes`.
    """

    inputs: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    passed: NDArray[np.int64]
    failed: NDArray[np.int64]
    leaves: NDArray[np.float64]
    missing_passes: NDArray[np.bool_]


@dataclass(frozen=True)
class TreeEnsemble:
    """Trees whose leaves are summed in order, in float64, or in float32 if `single_sum`.

    A split is passed below the threshold and, unless `strict`, on it. If `single_inputs`, inputs are rounded to float32
    before the comparison.
    """

    trees: Sequence[Tree]
    strict: bool = False
    single_inputs: bool = False
    single_sum: bool = False


def add_sum(graph: Graph, ensemble: TreeEnsemble, inputs: str) -> str:
    """Add the sum of the leaves (n, 1), in the ensemble's precision, for float64 inputs (n, any)."""
    kind = np.float32 if ensemble.single_sum else np.float64
    if ensemble.single_inputs:
        inputs = graph.cast(inputs, np.float32)
        if not ensemble.single_sum:
            inputs = graph.cast(inputs, np.float64)
    trees = [_with_a_split(tree) for tree in ensemble.trees]
    roots = _offsets([len(tree.inputs) for tree in trees])
    first_leaves = _offsets([len(tree.leaves) for tree in trees])
    passed, passed_leaves = _targets([tree.passed for tree in trees], roots, first_leaves)
    failed, failed_leaves = _targets([tree.failed for tree in trees], roots, first_leaves)
    thresholds = np.concatenate([tree.thresholds for tree in trees]).astype(kind)
    leaves = np.concatenate([tree.leaves for tree in trees]).astype(kind)
    return graph.add(
        "TreeEnsemble",
        inputs,
        domain=TREES_DOMAIN,
        aggregate_function=_SUM,
        post_transform=_NO_TRANSFORM,
        n_targets=1,
        tree_roots=roots,
        nodes_featureids=np.concatenate([tree.inputs for tree in trees]).tolist(),
        nodes_modes=_tensor(np.full(len(thresholds), _LESS if ensemble.strict else _LESS_OR_EQUAL, dtype=np.uint8)),
        nodes_splits=_tensor(thresholds),
        nodes_missing_value_tracks_true=np.concatenate([tree.missing_passes for tree in trees]).astype(int).tolist(),
        nodes_truenodeids=passed,
        nodes_trueleafs=passed_leaves,
        nodes_falsenodeids=failed,
        nodes_falseleafs=failed_leaves,
        leaf_targetids=[0] * len(leaves),
        leaf_weights=_tensor(leaves),
    )


def turning_points(ensemble: TreeEnsemble, tree: Tree) -> NDArray[np.float64]:
    """Return, for each split of a tree of the ensemble, the float64 value at which rows change sides (m).

    It is the threshold, unless inputs are rounded to float32 first. Then it is the midpoint between the last float32
    that passes and the next one, because float64 values round apart there and not at the threshold.
    """
    if not ensemble.single_inputs:
        return tree.thresholds
    last = tree.thresholds.astype(np.float32)
    rounded = last.astype(np.float64)
    fails = rounded >= tree.thresholds if ensemble.strict else rounded > tree.thresholds
    last = np.where(fails, np.nextafter(last, np.float32(-np.inf)), last)
    following = np.nextafter(last, np.float32(np.inf))
    middles: NDArray[np.float64] = (last.astype(np.float64) + following.astype(np.float64)) / 2
    return middles


def search_tree(thresholds: NDArray[np.float64]) -> Tree:
    """Return a balanced tree whose leaf is the number of ascending `thresholds` (m) that its only input fails."""
    passed, failed = np.empty((2, len(thresholds)), dtype=np.int64)
    middles: list[int] = []

    def grow(first: int, last: int) -> int:
        if first == last:
            return -first - 1
        split, middle = len(middles), (first + last) // 2
        middles.append(middle)
        passed[split] = grow(first, middle)
        failed[split] = grow(middle + 1, last)
        return split

    grow(0, len(thresholds))
    order = np.array(middles, dtype=np.int64)
    leaves = np.arange(len(thresholds) + 1, dtype=np.float64)
    return Tree(np.zeros_like(order), thresholds[order], passed, failed, leaves, np.zeros(len(order), dtype=bool))


def _with_a_split(tree: Tree) -> Tree:
    # TreeEnsemble needs a split in each tree; both sides of this one are the same leaf.
    if len(tree.inputs):
        return tree
    nothing = np.zeros(1, dtype=np.int64)
    return Tree(nothing, np.zeros(1), nothing - 1, nothing - 1, tree.leaves, nothing.astype(bool))


def _offsets(sizes: Sequence[int]) -> list[int]:
    offsets: list[int] = np.cumsum([0, *sizes[:-1]]).tolist()
    return offsets


def _targets(
    children: Sequence[NDArray[np.int64]], roots: Sequence[int], first_leaves: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Return the target of each split, numbered over all trees, and 1 for leaves."""
    numbered = [
        np.where(targets >= 0, targets + root, -targets - 1 + first_leaf)
        for targets, root, first_leaf in zip(children, roots, first_leaves, strict=True)
    ]
    are_leaves = np.concatenate(children) < 0
    return np.concatenate(numbered).tolist(), are_leaves.astype(np.int64).tolist()


def _tensor(values: NDArray[Any]) -> Any:
    return numpy_helper.from_array(values)
