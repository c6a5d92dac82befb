"""A compiled form gives the same answers as its pipeline, or is not created."""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.tree import DecisionTreeClassifier

from loan_api.credit.bounds import BoundedClassifier
from loan_api.scoring.columns import Application, Columns, columns_of, texts
from loan_api.scoring.compiled import CompiledForm, CompiledScorer, ModelInput
from loan_api.scoring.pipeline import PipelineScorer
from tests.support.forms import SHIPPED
from training.compilation.form import compile_pipeline, compiled_form, prove, split_points
from training.compilation.proof import proof_applications
from training.data.dataset import read_dataset
from training.data.sample import write_sample
from training.errors import NotCompilableError
from training.registry.golden import golden_applications, probe_applications
from training.selection.calibration import Calibration, calibrated
from training.selection.candidates import BASELINE, CANDIDATES
from training.selection.pipeline import build_pipeline, monotonicity

NEIGHBOURS = "k_nearest_neighbours"
COMPETITORS = {c.name: c for c in (BASELINE, *CANDIDATES) if c.is_installed}
CALIBRATIONS: tuple[Calibration, ...] = ("none", "sigmoid", "isotonic")
EVERY_KIND = pytest.mark.parametrize(
    ("name", "calibration"),
    [
        pytest.param(name, calibration, marks=() if calibration == "none" else pytest.mark.slow)
        for name in COMPETITORS
        if name != NEIGHBOURS
        for calibration in CALIBRATIONS
    ],
)
THRESHOLD = 0.5
# Enough for every operation of a large ensemble.
TREES = 25
ROWS = 300

# The same operations in the same order, so that every bit is the same.
SHARES = {"stump", "decision_tree", "small_tree", "random_forest", "extra_trees"}
BIT_EQUAL = {(name, calibration) for name in SHARES for calibration in ("none", "isotonic")}
BIT_EQUAL |= {("ada_boost", "isotonic"), ("lightgbm", "isotonic")}
# XGBoost's own exponential is in float32 and occasionally differs in the last bit.
SINGLE_PRECISION = {("xgboost", "none"), ("xgboost", "sigmoid")}
# A steep calibration amplifies the remaining rounding errors of these scores; a proof may reject them.
STEEP = {("xgboost", "isotonic"), ("naive_bayes", "isotonic")}


EDGES = {number.name: number.bins or () for number in SHIPPED.numbers}


def invented() -> list[Application]:
    return [*golden_applications(SHIPPED, EDGES), *probe_applications(SHIPPED, EDGES)[:500]]


@cache
def sample() -> tuple[Any, Any]:
    """Return applications and outcomes, some of them flipped so that no model is certain."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "small.csv")
        write_sample(SHIPPED, path, rows=ROWS, seed=7)
        dataset = read_dataset(SHIPPED, path)
    turned = np.random.default_rng(3).random(len(dataset.outcomes)) < 0.08
    return dataset.applications, dataset.outcomes.where(~turned, 1 - dataset.outcomes)


def deciding(estimator: Any) -> FixedThresholdClassifier:
    bounded = BoundedClassifier(estimator)
    return FixedThresholdClassifier(bounded, threshold=THRESHOLD, pos_label=1, response_method="predict_proba")


def fit(estimator: Any, *, scaled: bool = False) -> Pipeline:
    pipeline = build_pipeline(SHIPPED, deciding(estimator), scaled=scaled, imputed=False)
    return pipeline.fit(sample()[0], sample()[1].to_numpy())


@cache
def fitted(name: str, calibration: Calibration = "none") -> Pipeline:
    estimator = COMPETITORS[name].build(1, monotonicity(SHIPPED, imputed=False), TREES)
    for size in {"n_estimators", "iterations"} & estimator.get_params().keys():
        estimator.set_params(**{size: TREES})
    pipeline = fit(estimator, scaled=COMPETITORS[name].scaled)
    if calibration != "none":
        bounded, outcomes = pipeline["estimator"].estimator_, sample()[1].to_numpy()
        scores = out_of_fold(estimator, pipeline[:-1].transform(sample()[0]), outcomes)
        bounded.estimator_ = calibrated(bounded.estimator_, calibration, scores, outcomes)
    return pipeline


def out_of_fold(estimator: Any, inputs: NDArray[np.float64], outcomes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return scores of rows that the estimator has not learned from (n)."""
    if hasattr(estimator, "decision_function"):
        return np.asarray(cross_val_predict(estimator, inputs, outcomes, cv=3, method="decision_function"))
    probabilities = cross_val_predict(estimator, inputs, outcomes, cv=3, method="predict_proba")
    return np.asarray(probabilities[:, 1], dtype=np.float64)


@cache
def proof_rows(name: str, calibration: Calibration) -> Columns:
    columns = columns_of(SHIPPED, invented())
    return proof_applications(SHIPPED, columns, EDGES, split_points(SHIPPED, fitted(name, calibration), columns))


def compile_and_prove(pipeline: Pipeline) -> CompiledForm:
    return compiled_form(SHIPPED, pipeline, THRESHOLD, invented(), EDGES)


def prove_graph(pipeline: Pipeline, inputs: Sequence[ModelInput], graph: bytes, threshold: float = THRESHOLD) -> None:
    prove(SHIPPED, pipeline, inputs, graph, threshold, columns_of(SHIPPED, invented()), EDGES)


def fresh_rows(rows: int = 2000) -> Columns:
    """Return random applications, with fractions, that no proof contains."""
    random = np.random.default_rng(11)
    columns: dict[str, Any] = {
        n.name: random.uniform(EDGES[n.name][0] + 1, EDGES[n.name][-1], rows) for n in SHIPPED.numbers
    }
    columns |= {c.name: random.integers(0, len(c.values), rows).astype(np.int8) for c in SHIPPED.categories}
    return columns


def scores(form: CompiledForm, applications: Columns) -> NDArray[np.float64]:
    return form.scorer().probabilities(applications)


def single(columns: Columns, row: int) -> Application:
    written = texts(SHIPPED, columns)
    values = {name: written[name][row] for name in SHIPPED.names}
    return values | {number.name: float(values[number.name]) for number in SHIPPED.numbers}


def changed(graph: bytes, change: Callable[[Any], None]) -> bytes:
    """Return the graph with a change to its trees."""
    model = onnx.load_from_string(graph)
    [trees] = [node for node in model.graph.node if node.op_type == "TreeEnsemble"]
    change({attribute.name: attribute for attribute in trees.attribute})
    return bytes(model.SerializeToString())


@EVERY_KIND
def test_it_answers_as_the_pipeline(name: str, calibration: Calibration) -> None:
    """Test on the rows of the proof, which lie on every split, and on random rows."""
    pipeline = fitted(name, calibration)
    scorer = CompiledScorer(SHIPPED, *compile_pipeline(pipeline))
    for applications in (proof_rows(name, calibration), fresh_rows()):
        expected = PipelineScorer(SHIPPED, pipeline).probabilities(applications)
        actual = scorer.probabilities(applications)
        assert actual.dtype == np.float64
        if (name, calibration) in BIT_EQUAL:
            assert np.array_equal(actual, expected)
            # So no decision can differ, even if the threshold equals one of the probabilities.
            continue
        allowed = 1e-9
        if (name, calibration) in SINGLE_PRECISION:
            allowed = 1e-6
        if (name, calibration) in STEEP:
            allowed = 1e-4
        assert np.max(np.abs(actual - expected)) <= allowed


@EVERY_KIND
def test_an_application_gets_the_same_bits_alone_and_in_a_batch(name: str, calibration: Calibration) -> None:
    scorer = CompiledScorer(SHIPPED, *compile_pipeline(fitted(name, calibration)))
    applications = fresh_rows(103)
    together = scorer.probabilities(applications)
    assert [scorer.probability(single(applications, row)) for row in range(103)] == together.tolist()


@pytest.mark.parametrize("name", sorted(SHARES & COMPETITORS.keys()))
def test_it_decides_the_same_at_every_probability_that_occurs(name: str) -> None:
    pipeline = fitted(name, "isotonic")
    form = compile_and_prove(pipeline)
    actual = form.scorer().probabilities(form.proof.applications)
    for threshold in np.unique(form.proof.probabilities)[:50]:
        assert np.array_equal(actual >= threshold, form.proof.probabilities >= threshold)


def test_a_form_that_was_written_is_read_as_it_was(tmp_path: Path) -> None:
    form = compile_and_prove(fitted("random_forest"))
    form.write(tmp_path)
    read = CompiledForm.read(SHIPPED, tmp_path)
    assert (read.inputs, read.graph, read.order) == (form.inputs, form.graph, form.order)
    assert np.array_equal(read.proof.probabilities, form.proof.probabilities)
    assert all(np.array_equal(read.proof.applications[name], form.proof.applications[name]) for name in SHIPPED.names)
    assert np.array_equal(read.scorer().probabilities(read.proof.applications), form.proof.probabilities)


@pytest.mark.parametrize("order_by", [6, None])
def test_a_form_that_was_written_with_the_order_of_one_input_is_read(tmp_path: Path, order_by: int | None) -> None:
    """Older descriptions name the input that sorts batches, or none."""
    form = compile_and_prove(fitted("decision_tree"))
    form.write(tmp_path)
    description = tmp_path / "compiled" / "compiled.json"
    description.write_text(json.dumps({**json.loads(description.read_text()), "order_by": order_by}))
    assert np.array_equal(
        CompiledForm.read(SHIPPED, tmp_path).scorer().probabilities(fresh_rows()), scores(form, fresh_rows())
    )


@pytest.mark.parametrize("name", [name for name in COMPETITORS if name != NEIGHBOURS])
def test_in_order_or_not_the_answers_are_the_same(name: str) -> None:
    form = compile_and_prove(fitted(name))
    for rows in (fresh_rows(), fresh_rows(1)):
        assert np.array_equal(scores(form, rows), scores(replace(form, order=None), rows))


@pytest.mark.parametrize("name", [name for name in COMPETITORS if name != NEIGHBOURS])
def test_features_that_are_not_relevant_change_nothing(name: str) -> None:
    scorer = compile_and_prove(fitted(name)).scorer()
    relevant = scorer.relevant_features
    assert relevant is not None
    columns = fresh_rows()
    others = {feature: values if feature in relevant else values[::-1] for feature, values in columns.items()}
    assert np.array_equal(scorer.probabilities(columns), scorer.probabilities(others))


@pytest.mark.parametrize(
    ("name", "is_partial"), [("stump", True), ("small_tree", True), ("logistic_regression", False)]
)
def test_only_trees_have_features_that_are_not_relevant(name: str, is_partial: bool) -> None:
    relevant = compile_and_prove(fitted(name)).scorer().relevant_features
    assert relevant is not None
    assert (relevant < set(SHIPPED.names)) == is_partial


@pytest.mark.parametrize(
    ("name", "is_ordered"), [("logistic_regression", False), ("decision_tree", False), ("random_forest", True)]
)
def test_only_many_trees_have_an_order(name: str, is_ordered: bool) -> None:
    assert (compile_and_prove(fitted(name)).order is not None) == is_ordered


def test_a_tree_that_never_splits_is_compiled() -> None:
    pipeline = fit(DecisionTreeClassifier(min_impurity_decrease=1.0))
    form = compile_and_prove(pipeline)
    assert split_points(SHIPPED, pipeline, columns_of(SHIPPED, invented())) == {}
    assert np.array_equal(np.unique(form.proof.probabilities), [sample()[1].mean()])


@pytest.mark.parametrize("name", ["stump", "decision_tree", "random_forest", "lightgbm"])
@pytest.mark.parametrize("way", [-np.inf, np.inf])
def test_a_threshold_that_is_moved_by_a_last_bit_is_refused(name: str, way: float) -> None:
    """Move the first split of the first tree, which every row reaches.

    If the model compares float32 numbers, the threshold moves by the last bit of a float32.
    """
    pipeline = fitted(name)
    inputs, graph = compile_pipeline(pipeline)

    def move_first_threshold(trees: Any) -> None:
        thresholds = onnx.numpy_helper.to_array(trees["nodes_splits"].t).copy()
        if name == "lightgbm":
            thresholds[0] = np.nextafter(thresholds[0], way)
        else:
            thresholds[0] = np.nextafter(np.float32(thresholds[0]), np.float32(way))
        trees["nodes_splits"].t.CopyFrom(onnx.numpy_helper.from_array(thresholds))

    prove_graph(pipeline, inputs, changed(graph, lambda _: None))
    with pytest.raises(NotCompilableError, match="off by up to"):
        prove_graph(pipeline, inputs, changed(graph, move_first_threshold))


def test_a_leaf_that_is_changed_a_little_is_refused() -> None:
    pipeline = fitted("small_tree")
    inputs, graph = compile_pipeline(pipeline)

    def change_first_leaf(trees: Any) -> None:
        values = onnx.numpy_helper.to_array(trees["leaf_weights"].t).copy()
        values += 1e-5
        trees["leaf_weights"].t.CopyFrom(onnx.numpy_helper.from_array(values))

    with pytest.raises(
        NotCompilableError, match=r"DecisionTreeClassifier differs from the pipeline: .* off by up to 1e-05"
    ):
        prove_graph(pipeline, inputs, changed(graph, change_first_leaf))


def test_a_form_that_decides_differently_is_refused() -> None:
    """Refuse it even if the probabilities are almost equal, as the threshold may lie between them."""
    pipeline = fitted("small_tree")
    inputs, graph = compile_pipeline(pipeline)

    occurring = np.unique(pipeline.predict_proba(sample()[0])[:, 1])
    threshold = float(occurring[len(occurring) // 2])

    def lower_every_leaf(trees: Any) -> None:
        values = onnx.numpy_helper.to_array(trees["leaf_weights"].t)
        trees["leaf_weights"].t.CopyFrom(onnx.numpy_helper.from_array(np.nextafter(values, 0.0)))

    with pytest.raises(NotCompilableError, match="decisions differ"):
        prove_graph(pipeline, inputs, changed(graph, lower_every_leaf), threshold)


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_nearest_neighbours_are_refused(calibration: Calibration) -> None:
    with pytest.raises(NotCompilableError, match="KNeighborsClassifier is not compiled: the choice among equally near"):
        compile_pipeline(fitted(NEIGHBOURS, calibration))


@pytest.mark.parametrize(
    ("estimator", "why"),
    [
        (CalibratedClassifierCV(DecisionTreeClassifier(), cv=3), "one classifier only"),
        (CalibratedClassifierCV(LogisticRegression(), method="temperature", cv=3, ensemble=False), "Temperature"),
    ],
)
def test_a_calibration_that_nobody_wrote_down_is_refused(estimator: Any, why: str) -> None:
    with pytest.raises(NotCompilableError, match=why):
        compile_pipeline(fit(estimator, scaled=True))


def test_a_preprocessing_that_nobody_wrote_down_is_refused() -> None:
    pipeline = build_pipeline(SHIPPED, deciding(LogisticRegression()), scaled=True, imputed=False)
    pipeline.set_params(preprocessing__numbers=MinMaxScaler()).fit(*sample())
    with pytest.raises(NotCompilableError, match="preprocessing with MinMaxScaler"):
        compile_pipeline(pipeline)


def test_trees_over_standardised_numbers_are_refused() -> None:
    with pytest.raises(NotCompilableError, match="trees on standardised numbers are not compiled"):
        compile_and_prove(fit(DecisionTreeClassifier(max_depth=2), scaled=True))
