"""Readers of the fitted tree models of each library."""

import json
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.compilation.trees import Tree, TreeEnsemble
from training.errors import NotCompilableError

# Larger than kZeroThreshold of LightGBM (include/LightGBM/meta.h), 1e-35.
_TINY = 1e-34


def is_made_of_trees(estimator: Any) -> bool:
    """Return whether `tree_ensemble` can read the estimator."""
    return type(estimator).__name__ in _READERS


def tree_ensemble(estimator: Any) -> TreeEnsemble:
    """Return the trees of a fitted tree model. Raises NotCompilableError if they use unsupported features."""
    return _READERS[type(estimator).__name__](estimator)


def _decision_tree(estimator: Any) -> TreeEnsemble:
    return TreeEnsemble([_approval_tree(estimator)], single_inputs=True)


def _forest(estimator: Any) -> TreeEnsemble:
    return TreeEnsemble([_approval_tree(tree) for tree in estimator.estimators_], single_inputs=True)


def _ada_boost(estimator: Any) -> TreeEnsemble:
    """Return the weighted votes for and against approval (AdaBoostClassifier.decision_function)."""
    trees = [
        scikit_tree(tree, np.where(np.argmax(tree.tree_.value[:, 0], axis=1) == 1, weight, -weight))
        for tree, weight in zip(estimator.estimators_, estimator.estimator_weights_, strict=False)
    ]
    return TreeEnsemble(trees, single_inputs=True)


def _approval_tree(estimator: Any) -> Tree:
    return scikit_tree(estimator, estimator.tree_.value[:, 0, 1])


def scikit_tree(estimator: Any, values: NDArray[np.float64]) -> Tree:
    """Convert a tree of scikit-learn; `values` has a value for each of its nodes, leaves included."""
    nodes = estimator.tree_
    return _tree(
        inputs=nodes.feature,
        thresholds=nodes.threshold,
        passed=nodes.children_left,
        failed=nodes.children_right,
        values=values,
        missing_passes=nodes.missing_go_to_left.astype(bool),
    )


def _tree(
    inputs: NDArray[Any],
    thresholds: NDArray[Any],
    passed: NDArray[Any],
    failed: NDArray[Any],
    values: NDArray[Any],
    missing_passes: NDArray[Any],
) -> Tree:
    """Build a tree from nodes in one numbering, root first, in which leaves have -1 for `passed`, and a value."""
    is_leaf = passed == -1
    places = np.where(is_leaf, -np.cumsum(is_leaf), np.cumsum(~is_leaf) - 1)
    splits = ~is_leaf
    return Tree(
        inputs[splits].astype(np.int64),
        thresholds[splits].astype(np.float64),
        places[passed[splits]],
        places[failed[splits]],
        values[is_leaf].astype(np.float64),
        missing_passes[splits].astype(bool),
    )


def _lightgbm(estimator: Any) -> TreeEnsemble:
    """Read the trees from `Booster.dump_model`, whose numbers have all digits. Their sum is the log-odds."""
    model = estimator.booster_.dump_model()
    if model["objective"] != "binary sigmoid:1":
        raise NotCompilableError(f"LGBMClassifier with objective {model['objective']} is not compiled")
    return TreeEnsemble([_lightgbm_tree(tree["tree_structure"]) for tree in model["tree_info"]])


def _lightgbm_tree(root: Mapping[str, Any]) -> Tree:
    splits: list[Mapping[str, Any]] = []
    leaves: list[float] = []
    children: dict[int, tuple[int, int]] = {}

    def grow(node: Mapping[str, Any]) -> int:
        if "leaf_value" in node:
            leaves.append(node["leaf_value"])
            return -len(leaves)
        # The missing type "Zero" treats 0 as missing. The others only compare numbers.
        if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
            raise NotCompilableError("LGBMClassifier is compiled with plain numeric splits only")
        split = len(splits)
        splits.append(node)
        children[split] = grow(node["left_child"]), grow(node["right_child"])
        return split

    grow(root)
    return Tree(
        np.array([node["split_feature"] for node in splits], dtype=np.int64),
        _lightgbm_thresholds([node["threshold"] for node in splits]),
        np.array([children[split][0] for split in range(len(splits))], dtype=np.int64),
        np.array([children[split][1] for split in range(len(splits))], dtype=np.int64),
        np.array(leaves, dtype=np.float64),
        np.array([_missing_passes(node) for node in splits], dtype=bool),
    )


def _lightgbm_thresholds(dumped: Sequence[float]) -> NDArray[np.float64]:
    """Return the thresholds, the last values that pass.

    LightGBM separates zero from negative numbers by a tiny one, which does not pass itself.
    """
    thresholds = np.array(dumped, dtype=np.float64)
    is_tiny = (thresholds < 0) & (thresholds > -_TINY)
    return np.where(is_tiny, np.nextafter(thresholds, -np.inf), thresholds)


def _missing_passes(node: Mapping[str, Any]) -> bool:
    """Return where LightGBM sends a missing value: in its default direction if it has seen any, otherwise as 0."""
    return bool(node["default_left"]) if node["missing_type"] == "NaN" else bool(node["threshold"] >= 0)


def _xgboost(estimator: Any) -> TreeEnsemble:
    """Read the trees of the saved model, after a leaf with the base score's log-odds, where XGBoost starts its sum."""
    learner = json.loads(bytes(estimator.get_booster().save_raw("json")))["learner"]
    booster = learner["gradient_booster"]
    kind = booster["name"], learner["objective"]["name"]
    if kind != ("gbtree", "binary:logistic"):
        raise NotCompilableError(f"XGBClassifier with {' and '.join(kind)} is not compiled")
    [base] = np.atleast_1d(json.loads(learner["learner_model_param"]["base_score"])).astype(np.float32)
    # ObjFunction::ProbToMargin of src/objective/regression_loss.h
    start = -np.log(np.float32(1) / base - np.float32(1))
    trees = [_leaf(float(start))]
    for tree in booster["model"]["trees"]:
        if any(tree["split_type"]):
            raise NotCompilableError("XGBClassifier is compiled with numeric splits only")
        conditions = np.array(tree["split_conditions"], dtype=np.float32)
        left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
        # The array holds thresholds of splits and values of leaves.
        default_left = np.array(tree["default_left"], dtype=bool)
        trees.append(_tree(np.array(tree["split_indices"]), conditions, left, right, conditions, default_left))
    return TreeEnsemble(trees, strict=True, single_inputs=True, single_sum=True)


def _catboost(estimator: Any) -> TreeEnsemble:
    """Read the symmetric trees of the saved model, scaled, after a leaf with the bias. Their sum is the log-odds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.json"
        estimator.save_model(str(file), format="json")
        model = json.loads(file.read_text(encoding="utf-8"))
    if "oblivious_trees" not in model or model["features_info"].get("categorical_features"):
        raise NotCompilableError("CatBoostClassifier is compiled with symmetric trees over numbers only")
    places = {
        feature["feature_index"]: feature["flat_feature_index"] for feature in model["features_info"]["float_features"]
    }
    scale, [bias] = model["scale_and_bias"]
    # A missing value is on the side of the smallest numbers, unless the feature says otherwise.
    largest = {f["feature_index"] for f in model["features_info"]["float_features"] if _missing_is_largest(f)}
    trees = [_symmetric_tree(tree, places, scale, largest) for tree in model["oblivious_trees"]]
    return TreeEnsemble([_leaf(bias), *trees], single_inputs=True)


def _missing_is_largest(feature: Mapping[str, Any]) -> bool:
    return bool(feature["nan_value_treatment"] == "AsTrue")


def _symmetric_tree(tree: Mapping[str, Any], places: Mapping[int, int], scale: float, largest: Collection[int]) -> Tree:
    """Expand a symmetric tree, which has one split per level. Bit i of a leaf's number is set above split i."""
    levels = tree["splits"] or []
    # Level by level, the splits reached with the bits 0 to 2^level - 1.
    level_of = np.repeat(np.arange(len(levels)), 2 ** np.arange(len(levels)))
    bits = np.arange(len(level_of)) - (2**level_of - 1)
    next_level = 2 ** (level_of + 1) - 1
    is_last = level_of == len(levels) - 1
    passed, failed = (np.where(is_last, -reached - 1, next_level + reached) for reached in (bits, bits + 2**level_of))
    borders = np.array([split["border"] for split in levels], dtype=np.float32).astype(np.float64)
    inputs = np.array([places[split["float_feature_index"]] for split in levels], dtype=np.int64)
    leaves = np.array(tree["leaf_values"], dtype=np.float64) * scale
    missing_passes = np.array([split["float_feature_index"] not in largest for split in levels], dtype=bool)
    return Tree(inputs[level_of], borders[level_of], passed, failed, leaves, missing_passes[level_of])


def _leaf(value: float) -> Tree:
    nothing = np.array([], dtype=np.int64)
    return Tree(nothing, np.array([]), nothing, nothing, np.array([value], dtype=np.float64), np.array([], dtype=bool))


def _hist_gradient_boosting(estimator: Any) -> TreeEnsemble:
    """Read the trees, after a leaf with the baseline, where scikit-learn starts its sum. Their sum is the log-odds."""
    [baseline] = np.ravel(estimator._baseline_prediction)  # noqa: SLF001  # scikit-learn has no public access
    trees = [_leaf(float(baseline))]
    for (predictor,) in estimator._predictors:  # noqa: SLF001
        nodes = predictor.nodes
        if nodes["is_categorical"].any():
            raise NotCompilableError("HistGradientBoostingClassifier is compiled with numeric splits only")
        is_leaf = nodes["is_leaf"].astype(bool)
        left, right = (np.where(is_leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
        missing_passes = nodes["missing_go_to_left"].astype(bool)
        trees.append(_tree(nodes["feature_idx"], nodes["num_threshold"], left, right, nodes["value"], missing_passes))
    return TreeEnsemble(trees)


_READERS: Mapping[str, Callable[[Any], TreeEnsemble]] = {
    "DecisionTreeClassifier": _decision_tree,
    "RandomForestClassifier": _forest,
    "ExtraTreesClassifier": _forest,
    "AdaBoostClassifier": _ada_boost,
    "HistGradientBoostingClassifier": _hist_gradient_boosting,
    "LGBMClassifier": _lightgbm,
    "XGBClassifier": _xgboost,
    "CatBoostClassifier": _catboost,
}
