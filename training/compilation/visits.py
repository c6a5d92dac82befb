"""Which made-up applications come by which split of a tree model, to be moved onto its threshold there."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from loan_api.scoring.compiled import ModelInput
from training.compilation.proof import ROWS_OF_A_TURN, SEED, Turns
from training.compilation.trees import Tree, TreeEnsemble, turning_points

# Spread over all splits; where there are more splits than that, each gets one application all the same.
_ROWS = 12_000


def turns_of(ensemble: TreeEnsemble, inputs: Sequence[ModelInput], matrix: NDArray[np.float64]) -> Mapping[str, Turns]:
    """For each number or derived feature, its splits' turning points, and for each an application that comes by there.

    `matrix` (n, inputs) are the applications as the model sees them. A split that none of them reaches gets any.
    """
    splits = sum(len(tree.inputs) for tree in ensemble.trees)
    applications = max(1, _ROWS // (ROWS_OF_A_TURN * max(1, splits)))
    # RandomState, as its streams are frozen (NEP 19).
    random = np.random.RandomState(SEED)
    if ensemble.single_inputs:
        matrix = matrix.astype(np.float32).astype(np.float64)
    points: dict[str, list[float]] = {}
    bases: dict[str, list[int]] = {}
    for tree in ensemble.trees:
        turning = turning_points(ensemble, tree)
        for place, point, (rows, _) in zip(tree.inputs, turning, visits(ensemble, tree, matrix), strict=True):
            split = inputs[place]
            # That of a category has a row for every value in the proof anyway.
            if split.equals is None:
                drawn = random.randint(0, len(rows) or len(matrix), applications)
                bases.setdefault(split.column, []).extend(rows[drawn] if len(rows) else drawn)
                points.setdefault(split.column, []).extend([point] * applications)
    return {column: Turns(np.array(values), np.array(bases[column])) for column, values in points.items()}


def visits(
    ensemble: TreeEnsemble, tree: Tree, matrix: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """For each split of a tree, the m rows of the matrix (n, inputs) that come by (m), and whether each passes it (m).

    Where inputs are rounded to float32, those of the matrix are rounded already.
    """
    # Splits stand before those that they lead to.
    coming = {0: np.arange(len(matrix))}
    for split, (place, threshold) in enumerate(zip(tree.inputs, tree.thresholds, strict=True)):
        rows = coming.pop(split)
        values = matrix[rows, place]
        passes = values < threshold if ensemble.strict else values <= threshold
        coming[int(tree.passed[split])] = rows[passes]
        coming[int(tree.failed[split])] = rows[~passes]
        yield rows, passes
