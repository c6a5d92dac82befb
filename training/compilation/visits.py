"""Selection of invented applications that reach each split of a tree model, to be moved onto its threshold."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from loan_api.scoring.compiled import ModelInput
from training.compilation.proof import ROWS_PER_POINT, SEED, SplitPoints
from training.compilation.trees import Tree, TreeEnsemble, turning_points

# Shared by all splits; each gets at least one application.
_ROWS = 12_000


def split_points_of(
    ensemble: TreeEnsemble, inputs: Sequence[ModelInput], matrix: NDArray[np.float64]
) -> Mapping[str, SplitPoints]:
    """Return, by number or derived feature, its split points, each with applications that reach the split.

    `matrix` (n, inputs) are the applications as the model sees them. A split that none reaches gets arbitrary ones.
    """
    splits = sum(len(tree.inputs) for tree in ensemble.trees)
    applications = max(1, _ROWS // (ROWS_PER_POINT * max(1, splits)))
    # The streams of RandomState are frozen (NEP 19).
    random = np.random.RandomState(SEED)
    if ensemble.single_inputs:
        matrix = matrix.astype(np.float32).astype(np.float64)
    points: dict[str, list[float]] = {}
    bases: dict[str, list[int]] = {}
    for tree in ensemble.trees:
        turning = turning_points(ensemble, tree)
        for place, point, (rows, _) in zip(tree.inputs, turning, visits(ensemble, tree, matrix), strict=True):
            split = inputs[place]
            # The proof has rows for every value of a category, and for missing numbers, anyway. The threshold of a
            # split between missing numbers and all others is infinite.
            if split.equals is None and not split.is_missing and np.isfinite(point):
                drawn = random.randint(0, len(rows) or len(matrix), applications)
                bases.setdefault(split.column, []).extend(rows[drawn] if len(rows) else drawn)
                points.setdefault(split.column, []).extend([point] * applications)
    return {column: SplitPoints(np.array(values), np.array(bases[column])) for column, values in points.items()}


def visits(
    ensemble: TreeEnsemble, tree: Tree, matrix: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Yield, for each split of a tree, the m rows of the matrix (n, inputs) that reach it, and whether each passes (m).

    If the ensemble rounds inputs to float32, the matrix must be rounded already.
    """
    # Parents come before their children.
    arriving = {0: np.arange(len(matrix))}
    splits = zip(tree.inputs, tree.thresholds, tree.missing_passes, strict=True)
    for split, (place, threshold, missing_passes) in enumerate(splits):
        rows = arriving.pop(split)
        values = matrix[rows, place]
        passes = values < threshold if ensemble.strict else values <= threshold
        if missing_passes:
            passes |= np.isnan(values)
        arriving[int(tree.passed[split])] = rows[passes]
        arriving[int(tree.failed[split])] = rows[~passes]
        yield rows, passes
