"""The compiled form of a fitted pipeline, with the proof that both agree."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from loan_api.credit.form import Form
from loan_api.credit.frame import columns_frame
from loan_api.scoring.columns import Application, Columns, columns_of, texts
from loan_api.scoring.compiled import GRAPH_INPUT, CompiledForm, CompiledScorer, ModelInput, Proof
from loan_api.scoring.parity import disagreement
from loan_api.scoring.pipeline import PipelineScorer
from training.compilation.ensembles import is_made_of_trees, tree_ensemble
from training.compilation.families import add_bounds, add_probability, uncalibrated
from training.compilation.graph import Graph
from training.compilation.order import scoring_order
from training.compilation.preprocessing import add_scaling, is_scaled, model_inputs
from training.compilation.proof import SplitPoints, proof_applications
from training.compilation.trees import TreeEnsemble
from training.compilation.visits import split_points_of
from training.errors import NotCompilableError


def compiled_form(
    form: Form,
    pipeline: Pipeline,
    threshold: float,
    invented: Sequence[Application],
    edges: Mapping[str, Sequence[float]],
) -> CompiledForm:
    """Compile a fitted pipeline for applications of `form` that approves from `threshold` on.

    `invented` are valid invented applications, ideally several thousand. They become part of the proof, and the rows at
    split thresholds are variations of them. `edges` are the edges of each number's bins. Raises NotCompilableError if
    the family has no compiled form, or if its answers differ from the pipeline's.
    """
    columns = columns_of(form, invented)
    compiled = prove(form, pipeline, *compile_pipeline(pipeline), threshold, columns, edges)
    return replace(compiled, order=_order(form, pipeline, columns))


def prove(
    form: Form,
    pipeline: Pipeline,
    inputs: Sequence[ModelInput],
    graph: bytes,
    threshold: float,
    invented: Columns,
    edges: Mapping[str, Sequence[float]],
) -> CompiledForm:
    """Return the compiled form with its proof. Raises NotCompilableError if its answers differ from the pipeline's."""
    applications = proof_applications(form, invented, edges, split_points(form, pipeline, invented))
    # XGBoost answers in float32; comparing in float32 would round the threshold.
    expected = PipelineScorer(form, pipeline).probabilities(applications).astype(np.float64)
    found = disagreement(expected, CompiledScorer(form, inputs, graph).probabilities(applications), threshold)
    if found is not None:
        raise NotCompilableError(f"the compiled {_family(pipeline)} differs from the pipeline: {found}")
    return CompiledForm(form, inputs, graph, Proof(applications, expected))


def compile_pipeline(pipeline: Pipeline) -> tuple[list[ModelInput], bytes]:
    """Return inputs and graph of a fitted pipeline, without proof. Raises NotCompilableError."""
    preprocessing = pipeline["preprocessing"]
    inputs = model_inputs(preprocessing)
    graph = Graph(len(inputs))
    scaled = add_scaling(graph, preprocessing, GRAPH_INPUT)
    bounded = _bounded(pipeline)
    probability = add_probability(graph, bounded.estimator_, scaled)
    return inputs, graph.finish(add_bounds(graph, bounded, probability))


def split_points(form: Form, pipeline: Pipeline, invented: Columns) -> Mapping[str, SplitPoints]:
    """Return the split points of a fitted pipeline's trees by feature; empty if it has no trees.

    Raises NotCompilableError for trees on standardised numbers.
    """
    inputs = model_inputs(pipeline["preprocessing"])
    found: dict[str, SplitPoints] = {}
    for ensemble in _ensembles(pipeline):
        for name, more in split_points_of(ensemble, inputs, _seen_by_model(form, pipeline, invented)).items():
            found[name] = found[name] + more if name in found else more
    return found


def _order(form: Form, pipeline: Pipeline, invented: Columns) -> bytes | None:
    ensembles = sorted(_ensembles(pipeline), key=lambda ensemble: len(ensemble.trees))
    return scoring_order(ensembles[-1], _seen_by_model(form, pipeline, invented)) if ensembles else None


def _ensembles(pipeline: Pipeline) -> list[TreeEnsemble]:
    """Return the trees of the estimator, or of the members of a vote. Raises NotCompilableError."""
    estimator = uncalibrated(_estimator(pipeline))
    is_vote = type(estimator).__name__ == "VotingClassifier"
    members = [each for each in (estimator.estimators_ if is_vote else [estimator]) if is_made_of_trees(each)]
    if members and is_scaled(pipeline["preprocessing"]):
        raise NotCompilableError(
            "trees on standardised numbers are not compiled, because their splits cannot be tested exactly"
        )
    return [tree_ensemble(member) for member in members]


def _seen_by_model(form: Form, pipeline: Pipeline, applications: Columns) -> NDArray[np.float64]:
    """Return the estimator's inputs (n, inputs)."""
    matrix: NDArray[np.float64] = pipeline[:-1].transform(columns_frame(form, texts(form, applications)))
    return matrix


def _estimator(pipeline: Pipeline) -> Any:
    """Return the fitted estimator inside the threshold and bounds wrappers, calibrated or not."""
    return _bounded(pipeline).estimator_


def _bounded(pipeline: Pipeline) -> Any:
    return pipeline["estimator"].estimator_


def _family(pipeline: Pipeline) -> str:
    return type(uncalibrated(_estimator(pipeline))).__name__
