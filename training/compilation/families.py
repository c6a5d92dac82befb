"""The graph operations of each model family."""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np

from training.compilation import formulas
from training.compilation.calibration import add_calibration
from training.compilation.ensembles import tree_ensemble
from training.compilation.graph import Graph
from training.compilation.trees import add_sum
from training.errors import NotCompilableError

_REFUSED: Mapping[str, str] = {
    "KNeighborsClassifier": "the choice among equally near neighbours depends on the library's memory layout",
}


def add_probability(graph: Graph, estimator: Any, inputs: str) -> str:
    """Add P(approved) (n, 1), equal to the estimator's `predict_proba`, for inputs (n, inputs), both float64.

    Raises NotCompilableError if the family has no compiled form.
    """
    family = type(estimator).__name__
    if list(estimator.classes_) != [0, 1]:
        raise NotCompilableError(f"{family} has the outcomes {list(estimator.classes_)}, not 0 and 1")
    if family == "CalibratedClassifierCV":
        return _calibrated(graph, estimator, inputs)
    if family in _LOG_ODDS:
        return graph.logistic(_LOG_ODDS[family](graph, estimator, inputs))
    if family in _PROBABILITIES:
        return _PROBABILITIES[family](graph, estimator, inputs)
    raise NotCompilableError(f"{family} is not compiled: {_REFUSED.get(family, 'it has no compiled form')}")


def add_bounds(graph: Graph, bounded: Any, probability: str) -> str:
    """Add the probability (n, 1) clipped to the bounds of a fitted BoundedClassifier."""
    raised = graph.add("Max", probability, graph.constant(float(bounded.bound_)))
    return graph.add("Min", raised, graph.constant(float(1 - bounded.bound_)))


def uncalibrated(estimator: Any) -> Any:
    """Return the fitted estimator inside any calibrations. Raises NotCompilableError for a calibrated ensemble."""
    while type(estimator).__name__ == "CalibratedClassifierCV":
        estimator = _only_calibrated(estimator).estimator
    return estimator


def _calibrated(graph: Graph, estimator: Any, inputs: str) -> str:
    inner = _only_calibrated(estimator)
    [calibrator] = inner.calibrators
    family = type(inner.estimator).__name__
    # scikit-learn calibrates the decision function, or P(approved) of an estimator without one.
    if hasattr(inner.estimator, "decision_function") and family in _DECISIONS:
        return add_calibration(graph, calibrator, _DECISIONS[family](graph, inner.estimator, inputs))
    return add_calibration(graph, calibrator, add_probability(graph, inner.estimator, inputs))


def _only_calibrated(estimator: Any) -> Any:
    if len(estimator.calibrated_classifiers_) != 1:
        raise NotCompilableError("CalibratedClassifierCV is compiled with one classifier only, ensemble=False")
    return estimator.calibrated_classifiers_[0]


def _vote(graph: Graph, estimator: Any, inputs: str) -> str:
    """Add the mean of the members' probabilities."""
    if estimator.weights is not None or estimator.voting != "soft":
        raise NotCompilableError("VotingClassifier is compiled with an unweighted soft vote only")
    members = [add_probability(graph, member, inputs) for member in estimator.estimators_]
    total = reduce(lambda one, other: graph.add("Add", one, other), members)
    return graph.add("Div", total, graph.constant(float(len(members))))


def _scaled(graph: Graph, pipeline: Any, inputs: str) -> str:
    """Add the probability of a pipeline of a scaler and an estimator."""
    scaler, estimator = (step for _, step in pipeline.steps)
    centred = graph.add("Sub", inputs, graph.constant(scaler.mean_))
    return add_probability(graph, estimator, graph.add("Div", centred, graph.constant(scaler.scale_)))


def _tree_sum(graph: Graph, estimator: Any, inputs: str) -> str:
    return add_sum(graph, tree_ensemble(estimator), inputs)


def _tree_mean(graph: Graph, estimator: Any, inputs: str) -> str:
    return graph.add("Div", _tree_sum(graph, estimator, inputs), graph.constant(float(len(estimator.estimators_))))


def _ada_boost(graph: Graph, estimator: Any, inputs: str) -> str:
    """Add twice the mean vote: scikit-learn subtracts the votes against approval, which mirror those for it."""
    total = graph.constant(float(estimator.estimator_weights_.sum()))
    return graph.add("Mul", graph.add("Div", _tree_sum(graph, estimator, inputs), total), graph.constant(2.0))


def _xgboost(graph: Graph, estimator: Any, inputs: str) -> str:
    """Add the logistic in float32, as XGBoost computes it, with the exponential in float64 and rounded."""
    negative = graph.cast(graph.add("Neg", _tree_sum(graph, estimator, inputs)), np.float64)
    one = graph.constant(np.float32(1))
    exponential = graph.cast(graph.exponential(negative), np.float32)
    return graph.cast(graph.add("Div", one, graph.add("Add", one, exponential)), np.float64)


_Family = Callable[[Graph, Any, str], str]
# Families whose decision function is the log-odds of their probability.
_LOG_ODDS: Mapping[str, _Family] = {
    "LogisticRegression": formulas.logistic_regression,
    "AdaBoostClassifier": _ada_boost,
    "HistGradientBoostingClassifier": _tree_sum,
    "LGBMClassifier": _tree_sum,
}
# SVC yields no probability.
_DECISIONS: Mapping[str, _Family] = {**_LOG_ODDS, "SVC": formulas.svc}
_PROBABILITIES: Mapping[str, _Family] = {
    "DecisionTreeClassifier": _tree_sum,
    "RandomForestClassifier": _tree_mean,
    "ExtraTreesClassifier": _tree_mean,
    "XGBClassifier": _xgboost,
    "CatBoostClassifier": lambda graph, estimator, inputs: graph.logistic(_tree_sum(graph, estimator, inputs)),
    "GaussianNB": formulas.gaussian_nb,
    "MLPClassifier": formulas.mlp,
    "Pipeline": _scaled,
    "VotingClassifier": _vote,
}
