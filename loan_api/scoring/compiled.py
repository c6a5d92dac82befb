"""The compiled form of a model: an ONNX graph in float64 whose inputs are computed from raw applications.

Training compiles the fitted pipeline and stores the result in the artifact with a proof: applications and the
pipeline's probabilities for them. Scoring needs numpy and onnxruntime, but neither pandas nor scikit-learn.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from loan_api.credit.derivation import derived_values
from loan_api.credit.features import CATEGORIES, FEATURE_NAMES, NUMBERS
from loan_api.scoring.columns import CODES, Application, Columns, row_count

COMPILED_FOLDER = "compiled"
# Each graph has one input, float64 (n, number of inputs), and one output, float64 (n, 1).
GRAPH_INPUT = "inputs"
_DESCRIPTION = "compiled.json"
_GRAPH = "model.onnx"
_ORDER = "order.onnx"
_PROOF = "proof.npz"
_PROOF_ANSWERS = "probability"
_WHY_NOT = "why_not.txt"


@dataclass(frozen=True)
class ModelInput:
    """One input of the graph: a number or derived feature, or the indicator that a folded category `equals` a value."""

    column: str
    equals: str | None = None


@dataclass(frozen=True)
class Proof:
    """Applications as columns, and the reference pipeline's probabilities for them (n)."""

    applications: Columns
    probabilities: NDArray[np.float64]


@dataclass(frozen=True)
class CompiledForm:
    """The stored parts of a compiled model: the graph, its inputs in order, and the proof of its correctness.

    The optional `order` is a second graph over the same inputs that ranks applications with small integers. Sorting
    a batch by rank groups applications with similar paths through the trees, which helps branch prediction.
    """

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
    def read(cls, artifact: Path) -> Self:
        """Read the form from the artifact. Raises OSError, ValueError, KeyError or TypeError if it is damaged."""
        folder = artifact / COMPILED_FOLDER
        with np.load(folder / _PROOF, allow_pickle=False) as arrays:
            applications = {name: arrays[name] for name in FEATURE_NAMES}
            proof = Proof(applications, arrays[_PROOF_ANSWERS])
        description = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        inputs = [ModelInput(**given) for given in description["inputs"]]
        order = (folder / _ORDER).read_bytes() if (folder / _ORDER).exists() else None
        return cls(inputs, (folder / _GRAPH).read_bytes(), proof, order)

    def scorer(self) -> "CompiledScorer":
        """Create a scorer from the form."""
        return CompiledScorer(self.inputs, self.graph, self.order)


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

    def __init__(self, inputs: Sequence[ModelInput], graph: bytes, order: bytes | None = None) -> None:
        self._probability = _Graph(graph)
        self._place = _Graph(order) if order is not None else None
        self._inputs = tuple(inputs)
        self._indicators = [_indicators(given) if given.equals is not None else None for given in inputs]

    def probability(self, application: Application) -> float:
        """Return the approval probability of one valid application."""
        values = {number.name: application[number.name] for number in NUMBERS}
        values |= derived_values(values)
        row = [
            values[given.column] if flags is None else flags[CODES[given.column][application[given.column]]]
            for given, flags in zip(self._inputs, self._indicators, strict=True)
        ]
        return float(self._probability.run(np.array([row], dtype=np.float64))[0])

    def probabilities(self, applications: Columns) -> NDArray[np.float64]:
        """Return the approval probabilities of n valid applications, in order (n)."""
        values: dict[str, NDArray[Any]] = {**applications, **derived_values(applications)}
        matrix = np.empty((row_count(applications), len(self._inputs)))
        for place, (given, flags) in enumerate(zip(self._inputs, self._indicators, strict=True)):
            column = values[given.column]
            matrix[:, place] = column if flags is None else flags[column]
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

    def run(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Evaluate the graph for each row of the matrix (n)."""
        answers: NDArray[np.float64] = self._session.run(None, {GRAPH_INPUT: matrix})[0]
        return answers[:, 0]


def _indicators(given: ModelInput) -> NDArray[np.float64]:
    """Return 1.0 for each declared value of the category that folds onto the input's value, 0.0 for the others."""
    category = next(category for category in CATEGORIES if category.name == given.column)
    return np.array([float(category.folds.get(value, value) == given.equals) for value in category.values])
