"""The inputs of a fitted pipeline's estimator, and their scaling."""

from typing import Any

import numpy as np

from loan_api.scoring.compiled import ModelInput
from training.compilation.graph import Graph
from training.errors import NotCompilableError


def model_inputs(preprocessing: Any) -> list[ModelInput]:
    """Return the output columns of the fitted ColumnTransformer, in its order, before scaling.

    Raises NotCompilableError for an unknown transformation.
    """
    inputs: list[ModelInput] = []
    for _, transformer, columns in preprocessing.transformers_:
        if type(transformer).__name__ == "OneHotEncoder":
            dropped = [None] * len(columns) if transformer.drop_idx_ is None else transformer.drop_idx_
            inputs += [
                ModelInput(column, equals=str(value))
                for column, values, drop in zip(columns, transformer.categories_, dropped, strict=True)
                for place, value in enumerate(values)
                if place != drop
            ]
        elif type(transformer).__name__ == "Pipeline":
            medians = transformer["median"].statistics_
            inputs += [ModelInput(name, fill=float(median)) for name, median in zip(columns, medians, strict=True)]
        elif type(transformer).__name__ == "MissingIndicator":
            inputs += [ModelInput(column, is_missing=True) for column in columns]
        elif _is_scaler(transformer) or _is_passthrough(transformer):
            inputs += [ModelInput(column) for column in columns]
        else:
            raise NotCompilableError(f"preprocessing with {type(transformer).__name__} is not compiled")
    return inputs


def add_scaling(graph: Graph, preprocessing: Any, inputs: str) -> str:
    """Add standardisation: subtract the mean and divide by the scale.

    Inputs that are not standardised have mean 0 and scale 1.
    """
    if not is_scaled(preprocessing):
        return inputs
    means, scales = [], []
    for name, transformer, _ in preprocessing.transformers_:
        place = preprocessing.output_indices_[name]
        width = place.stop - place.start
        scaler = _scaler_of(transformer)
        means.append(np.zeros(width) if scaler is None else scaler.mean_)
        scales.append(np.ones(width) if scaler is None else scaler.scale_)
    centred = graph.add("Sub", inputs, graph.constant(np.concatenate(means)))
    return graph.add("Div", centred, graph.constant(np.concatenate(scales)))


def is_scaled(preprocessing: Any) -> bool:
    """Return whether the estimator gets standardised numbers."""
    return any(_scaler_of(transformer) is not None for _, transformer, _ in preprocessing.transformers_)


def _scaler_of(transformer: Any) -> Any:
    """Return the scaler, which may be the last step of a pipeline, or None."""
    last = transformer.steps[-1][1] if type(transformer).__name__ == "Pipeline" else transformer
    return last if _is_scaler(last) else None


def _is_scaler(transformer: Any) -> bool:
    return type(transformer).__name__ == "StandardScaler"


def _is_passthrough(transformer: Any) -> bool:
    """Return whether scikit-learn fitted this transformer for "passthrough"."""
    return type(transformer).__name__ == "FunctionTransformer" and transformer.func is None
