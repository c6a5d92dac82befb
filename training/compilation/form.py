"""The compiled form of a fitted pipeline, proven equal to it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from loan_api.credit.frame import columns_frame
from loan_api.scoring.columns import Application, Columns, columns_of, texts
from loan_api.scoring.compiled import GRAPH_INPUT, CompiledForm, CompiledScorer, ModelInput, Proof
from loan_api.scoring.parity import disagreement
from loan_api.scoring.pipeline import PipelineScorer
from training.compilation.ensembles import is_made_of_trees, tree_ensemble
from training.compilation.errors import NotCompilableError
from training.compilation.families import add_probability, uncalibrated
from training.compilation.graph import Graph
from training.compilation.order import scoring_order
from training.compilation.preprocessing import add_scaling, is_scaled, model_inputs
from training.compilation.proof import Turns, proof_applications
from training.compilation.visits import turns_of


def compiled_form(pipeline: Pipeline, threshold: float, made_up: Sequence[Application]) -> CompiledForm:
    """The compiled form of a fitted pipeline that approves from `threshold` on.

    `made_up` are valid applications that nobody ever made. They become part of the proof, and the rows at split
    thresholds are variations of them, so some thousands are better than a few.

    Raises NotCompilableError where the family has no compiled form, or where its answers differ from the pipeline's.
    """
    form = prove(pipeline, *compile_pipeline(pipeline), threshold, made_up)
    return replace(form, order=_order(pipeline, columns_of(made_up)))


def prove(
    pipeline: Pipeline, inputs: Sequence[ModelInput], graph: bytes, threshold: float, made_up: Sequence[Application]
) -> CompiledForm:
    """The form with its proof. Raises NotCompilableError where its answers differ from the fitted pipeline's."""
    columns = columns_of(made_up)
    applications = proof_applications(columns, split_turns(pipeline, columns))
    # XGBoost's are float32; compared as such, a threshold would be rounded first.
    expected = PipelineScorer(pipeline).probabilities(applications).astype(np.float64)
    found = disagreement(expected, CompiledScorer(inputs, graph).probabilities(applications), threshold)
    if found is not None:
        raise NotCompilableError(f"the compiled {_family(pipeline)} is not the pipeline: {found}")
    return CompiledForm(inputs, graph, Proof(applications, expected))


def compile_pipeline(pipeline: Pipeline) -> tuple[list[ModelInput], bytes]:
    """The inputs and the graph of a fitted pipeline, not proven yet. Raises NotCompilableError."""
    preprocessing = pipeline["preprocessing"]
    inputs = model_inputs(preprocessing)
    graph = Graph(len(inputs))
    scaled = add_scaling(graph, preprocessing, GRAPH_INPUT)
    return inputs, graph.finish(add_probability(graph, _estimator(pipeline), scaled))


def split_turns(pipeline: Pipeline, made_up: Columns) -> Mapping[str, Turns]:
    """Where the trees of a fitted pipeline split its numbers; nothing where it is not made of trees.

    Raises NotCompilableError for trees over standardised numbers.
    """
    estimator = uncalibrated(_estimator(pipeline))
    if not is_made_of_trees(estimator):
        return {}
    if is_scaled(pipeline["preprocessing"]):
        raise NotCompilableError("trees over standardised numbers are not compiled: their splits cannot be proven")
    inputs = model_inputs(pipeline["preprocessing"])
    return turns_of(tree_ensemble(estimator), inputs, _seen_by_model(pipeline, made_up))


def _order(pipeline: Pipeline, made_up: Columns) -> bytes | None:
    estimator = uncalibrated(_estimator(pipeline))
    if not is_made_of_trees(estimator):
        return None
    return scoring_order(tree_ensemble(estimator), _seen_by_model(pipeline, made_up))


def _seen_by_model(pipeline: Pipeline, applications: Columns) -> NDArray[np.float64]:
    """The inputs (n, inputs) that the estimator gets."""
    matrix: NDArray[np.float64] = pipeline[:-1].transform(columns_frame(texts(applications)))
    return matrix


def _estimator(pipeline: Pipeline) -> Any:
    """What decides by its probabilities: the fitted estimator, calibrated or not."""
    return pipeline["estimator"].estimator_


def _family(pipeline: Pipeline) -> str:
    return type(uncalibrated(_estimator(pipeline))).__name__
