"""A model's compiled form: an ONNX graph in float64 over inputs that are made from raw applications.

Training makes it from the fitted pipeline and keeps it inside the artifact, with the proof: applications and the
probabilities that the pipeline gave them. Scoring with it needs numpy and onnxruntime, not pandas or scikit-learn.
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
# The only input of a form's graphs is float64 (n, number of inputs), the only output float64 (n, 1).
GRAPH_INPUT = "inputs"
_DESCRIPTION = "compiled.json"
_GRAPH = "model.onnx"
_ORDER = "order.onnx"
_PROOF = "proof.npz"
_PROOF_ANSWERS = "probability"
_WHY_NOT = "why_not.txt"


@dataclass(frozen=True)
class ModelInput:
    """One input of the graph: a number or derived feature as it is, or 1 where a category, folded, `equals`, else 0."""

    column: str
    equals: str | None = None


@dataclass(frozen=True)
class Proof:
    """Applications, as columns, and the probabilities (n) that the reference pipeline gives them."""

    applications: Columns
    probabilities: NDArray[np.float64]


@dataclass(frozen=True)
class CompiledForm:
    """What is kept of a compiled model: the graph's inputs in order, the graph, and the proof that it is right.

    `order` is there where batches are scored quicker in a certain order: a second graph over the same inputs, which
    gives each application its place, a whole number from 0 on. Those that take similar ways through the trees have the
    same place or neighbouring ones, so that the processor foresees their way.
    """

    inputs: Sequence[ModelInput]
    graph: bytes
    proof: Proof
    order: bytes | None = None

    def write(self, artifact: Path) -> None:
        """Writes the form into the artifact in that folder."""
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
        """The form inside the artifact. Raises OSError, ValueError, KeyError or TypeError where it is damaged."""
        folder = artifact / COMPILED_FOLDER
        with np.load(folder / _PROOF, allow_pickle=False) as arrays:
            applications = {name: arrays[name] for name in FEATURE_NAMES}
            proof = Proof(applications, arrays[_PROOF_ANSWERS])
        description = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        inputs = [ModelInput(**given) for given in description["inputs"]]
        order = (folder / _ORDER).read_bytes() if (folder / _ORDER).exists() else None
        return cls(inputs, (folder / _GRAPH).read_bytes(), proof, order)

    def scorer(self) -> "CompiledScorer":
        """What scores with it."""
        return CompiledScorer(self.inputs, self.graph, self.order)


def write_why_not(artifact: Path, why: str) -> None:
    """Says in the artifact why its model has no compiled form."""
    folder = artifact / COMPILED_FOLDER
    folder.mkdir(parents=True)
    (folder / _WHY_NOT).write_text(why + "\n", encoding="utf-8")


def read_why_not(artifact: Path) -> str | None:
    """Why the model in the artifact has no compiled form; None where it has one."""
    folder = artifact / COMPILED_FOLDER
    if not folder.is_dir():
        return "the model was registered without a compiled form"
    why_not = folder / _WHY_NOT
    return why_not.read_text(encoding="utf-8").strip() if why_not.exists() else None


class CompiledScorer:
    """Scores with the compiled form. To be made after the fork; it starts no threads."""

    name = "compiled"

    def __init__(self, inputs: Sequence[ModelInput], graph: bytes, order: bytes | None = None) -> None:
        self._probability = _Graph(graph)
        self._place = _Graph(order) if order is not None else None
        self._inputs = tuple(inputs)
        self._indicators = [_indicators(given) if given.equals is not None else None for given in inputs]

    def probability(self, application: Application) -> float:
        """P(approved) of one valid application."""
        values = {number.name: application[number.name] for number in NUMBERS}
        values |= derived_values(values)
        row = [
            values[given.column] if flags is None else flags[CODES[given.column][application[given.column]]]
            for given, flags in zip(self._inputs, self._indicators, strict=True)
        ]
        return float(self._probability.run(np.array([row], dtype=np.float64))[0])

    def probabilities(self, applications: Columns) -> NDArray[np.float64]:
        """P(approved) of n valid applications, in order (n)."""
        values: dict[str, NDArray[Any]] = {**applications, **derived_values(applications)}
        matrix = np.empty((row_count(applications), len(self._inputs)))
        for place, (given, flags) in enumerate(zip(self._inputs, self._indicators, strict=True)):
            column = values[given.column]
            matrix[:, place] = column if flags is None else flags[column]
        if self._place is None:
            return self._probability.run(matrix)
        # Of the ways to sort, numpy's stable one of small integers is the quickest.
        order = np.argsort(self._place.run(matrix).astype(np.int16), kind="stable")
        answers = np.empty(len(matrix))
        answers[order] = self._probability.run(matrix.take(order, axis=0))
        return answers


class _Graph:
    """A graph in onnxruntime, which starts no threads for it."""

    def __init__(self, graph: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # Memory for a large batch is given back after it.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def run(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the graph answers to each row of the matrix (n)."""
        answers: NDArray[np.float64] = self._session.run(None, {GRAPH_INPUT: matrix})[0]
        return answers[:, 0]


def _indicators(given: ModelInput) -> NDArray[np.float64]:
    """For each declared value of the category, whether it counts as the one that the input asks for."""
    category = next(category for category in CATEGORIES if category.name == given.column)
    return np.array([float(category.folds.get(value, value) == given.equals) for value in category.values])
