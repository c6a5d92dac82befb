"""The compiled form of a model: an ONNX graph in float64 whose inputs are computed from raw applications.

Training compiles the fitted pipeline and stores the result in the artifact with a proof: applications and the
pipeline's probabilities for them. Scoring needs numpy and onnxruntime, but neither pandas nor scikit-learn.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from loan_api.credit.derivation import MISSING_CATEGORY
from loan_api.credit.form import Form
from loan_api.scoring.columns import Application, Columns, row_count

COMPILED_FOLDER = "compiled"
# Each graph has one input, float64 (n, number of inputs), and one output, float64 (n, 1).
GRAPH_INPUT = "inputs"
# Metadata of a graph: the positions of the inputs that can influence the output, separated by spaces.
GRAPH_RELEVANT = "relevant_inputs"
_DESCRIPTION = "compiled.json"
_GRAPH = "model.onnx"
_ORDER = "order.onnx"
_PROOF = "proof.npz"
_PROOF_ANSWERS = "probability"
_WHY_NOT = "why_not.txt"
_NAN = math.nan


@dataclass(frozen=True)
class ModelInput:
    """One input of the graph: a number or derived feature, or an indicator.

    The indicator is 1 if a folded category `equals` a value, or if a number `is_missing`. A missing number is replaced
    by `fill` unless that is None.
    """

    column: str
    equals: str | None = None
    fill: float | None = None
    is_missing: bool = False


@dataclass(frozen=True)
class Proof:
    """Applications as columns, and the reference pipeline's probabilities for them (n)."""

    applications: Columns
    probabilities: NDArray[np.float64]


@dataclass(frozen=True)
class CompiledForm:
    """The stored parts of a form's compiled model: the graph, its inputs in order, and the proof of its correctness.

    The optional `order` is a second graph over the same inputs that ranks applications with small integers. Sorting
    a batch by rank groups applications with similar paths through the trees, which helps branch prediction.
    """

    form: Form
    inputs: Sequence[ModelInput]
    graph: bytes
    proof: Proof
    order: bytes | None = None

    def write(self, artifact: Path) -> None:
        """Write the form into the artifact folder."""
        folder = artifact / COMPILED_FOLDER
        folder.mkdir(parents=True)
        description = {"inputs": [asdict(given) for given in self.inputs]}
        (folder / _DESCRIPTION).write_text(json.dumps(description) + "\n", encoding="utf-8")
        (folder / _GRAPH).write_bytes(self.graph)
        if self.order is not None:
            (folder / _ORDER).write_bytes(self.order)
        arrays: dict[str, Any] = {**self.proof.applications, _PROOF_ANSWERS: self.proof.probabilities}
        np.savez_compressed(folder / _PROOF, **arrays)

    @classmethod
    def read(cls, form: Form, artifact: Path) -> Self:
        """Read the compiled model from the artifact.

        Raises OSError, ValueError, KeyError or TypeError if it is damaged.
        """
        folder = artifact / COMPILED_FOLDER
        with np.load(folder / _PROOF, allow_pickle=False) as arrays:
            applications = {name: arrays[name] for name in form.names}
            proof = Proof(applications, arrays[_PROOF_ANSWERS])
        description = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        inputs = [ModelInput(**given) for given in description["inputs"]]
        order = (folder / _ORDER).read_bytes() if (folder / _ORDER).exists() else None
        return cls(form, inputs, (folder / _GRAPH).read_bytes(), proof, order)

    def scorer(self) -> "CompiledScorer":
        """Create a scorer from the form."""
        return CompiledScorer(self.form, self.inputs, self.graph, self.order)


def write_why_not(artifact: Path, why: str) -> None:
    """Record in the artifact why its model has no compiled form."""
    folder = artifact / COMPILED_FOLDER
    folder.mkdir(parents=True)
    (folder / _WHY_NOT).write_text(why + "\n", encoding="utf-8")


def read_why_not(artifact: Path) -> str | None:
    """Return why the model in the artifact has no compiled form, or None if it has one."""
    folder = artifact / COMPILED_FOLDER
    if not folder.is_dir():
        return "the model was registered without a compiled form"
    why_not = folder / _WHY_NOT
    return why_not.read_text(encoding="utf-8").strip() if why_not.exists() else None


class CompiledScorer:
    """Scores with the compiled form. Create it after the fork. It starts no threads."""

    name = "compiled"

    def __init__(self, form: Form, inputs: Sequence[ModelInput], graph: bytes, order: bytes | None = None) -> None:
        self._probability = _Graph(graph)
        self._place = _Graph(order) if order is not None else None
        self._codes = [(feature.name, form.codes.get(feature.name)) for feature in form.features]
        self._formulas = [(derived.name, derived.formula) for derived in form.derived]
        indicators = [_indicators(form, given) for given in inputs]
        self._inputs = [(given.column, flags) for given, flags in zip(inputs, indicators, strict=True)]
        self._row_inputs = [(column, None if flags is None else flags.tolist()) for column, flags in self._inputs]
        self._fills = [(place, given.fill) for place, given in enumerate(inputs) if given.fill is not None]
        self._missing = [place for place, given in enumerate(inputs) if given.is_missing]
        self.relevant_features = self._relevant_features(form)

    def _relevant_features(self, form: Form) -> frozenset[str] | None:
        places = self._probability.relevant_inputs()
        if places is None:
            return None
        names = {self._inputs[place][0] for place in places}
        for name, formula in reversed(self._formulas):
            if name in names:
                names |= formula.slopes.keys()
        return frozenset(names.intersection(form.names))

    def probability(self, application: Application) -> float:
        """Return the approval probability of one valid application."""
        values: dict[str, Any] = {}
        for name, codes in self._codes:
            value = application[name]
            values[name] = codes[value] if codes is not None else _NAN if value is None else value
        for name, formula in self._formulas:
            values[name] = formula.of_application(values)
        row = [values[column] if flags is None else flags[values[column]] for column, flags in self._row_inputs]
        for place in self._missing:
            row[place] = float(math.isnan(row[place]))
        for place, fill in self._fills:
            row[place] = fill if math.isnan(row[place]) else row[place]
        return float(self._probability.run(np.array([row], dtype=np.float64))[0])

    def probabilities(self, applications: Columns) -> NDArray[np.float64]:
        """Return the approval probabilities of n valid applications, in order (n)."""
        rows = row_count(applications)
        values: dict[str, NDArray[Any]] = {**applications}
        for name, formula in self._formulas:
            values[name] = formula.of_columns(values, rows)
        matrix = np.empty((rows, len(self._inputs)))
        for place, (column, flags) in enumerate(self._inputs):
            matrix[:, place] = values[column] if flags is None else flags[values[column]]
        for place in self._missing:
            matrix[:, place] = np.isnan(matrix[:, place])
        for place, fill in self._fills:
            matrix[np.isnan(matrix[:, place]), place] = fill
        if self._place is None:
            return self._probability.run(matrix)
        # numpy sorts small integers fastest with its stable algorithm.
        order = np.argsort(self._place.run(matrix).astype(np.int16), kind="stable")
        answers = np.empty(len(matrix))
        answers[order] = self._probability.run(matrix.take(order, axis=0))
        return answers


class _Graph:
    """A single-threaded onnxruntime session."""

    def __init__(self, graph: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # Return the memory of a large batch to the system afterwards.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def relevant_inputs(self) -> list[int] | None:
        """Return the positions of the inputs that can influence the output; None if the graph does not say."""
        known = self._session.get_modelmeta().custom_metadata_map.get(GRAPH_RELEVANT)
        return None if known is None else [int(place) for place in known.split()]

    def run(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Evaluate the graph for each row of the matrix (n)."""
        answers: NDArray[np.float64] = self._session.run(None, {GRAPH_INPUT: matrix})[0]
        return answers[:, 0]


def _indicators(form: Form, given: ModelInput) -> NDArray[np.float64] | None:
    """Return 1.0 for each code of the category whose value folds onto the input's value, 0.0 for the others.

    The last entry is for missing values, whose code is -1. Returns None for inputs that are not categories.
    """
    if given.equals is None:
        return None
    category = next(category for category in form.categories if category.name == given.column)
    values = [*(category.folds.get(value, value) for value in category.values), MISSING_CATEGORY]
    return np.array([float(value == given.equals) for value in values])
