"""An ONNX graph that is put together one operation at a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from loan_api.scoring.compiled import GRAPH_INPUT

TREES_DOMAIN = "ai.onnx.ml"
_OPSETS = {"": 21, TREES_DOMAIN: 5}
_IR_VERSION = 10
_BASE_EXPONENT = 512.0
_OUTPUT = "answer"


class Graph:
    """Grows by `add`; a value of the graph is known by its name. `GRAPH_INPUT` is there from the start."""

    def __init__(self, input_count: int) -> None:
        self._input_count = input_count
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def add(self, operation: str, *operands: str, domain: str = "", **attributes: Any) -> str:
        """Applies an ONNX operation to values of the graph and names the value that it gives."""
        name = f"{operation.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operation, list(operands), [name], domain=domain, **attributes))
        return name

    def constant(self, values: NDArray[Any] | np.generic | float) -> str:
        """Keeps an array (any shape) or a number, a Python one as float64, in the graph and names it."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def cast(self, value: str, to: type[np.float32 | np.float64 | np.int64]) -> str:
        """The value, rounded to the nearest of that type."""
        return self.add("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(to)))

    def exponential(self, value: str) -> str:
        """The exponential of a float64 value; 0 or infinity where that is too small or too large.

        onnxruntime's Exp works on several rows at a time and gives those that are left over another last bit, so that
        a row's answer would depend on its place in the batch. Its Pow takes one row after the other. It gets the base
        e^512, as then the rounding of the base has 512 times less weight than with e: nearly all answers have the last
        bit of the C library's exp. Dividing by 512 is exact.
        """
        exponent = self.add("Div", value, self.constant(_BASE_EXPONENT))
        return self.add("Pow", self.constant(np.exp(_BASE_EXPONENT)), exponent)

    def logistic(self, value: str) -> str:
        """1 / (1 + e^-value) in float64. Where e^-value is infinite this is 0, as in scipy.special.expit."""
        one = self.constant(1.0)
        return self.add("Div", one, self.add("Add", one, self.exponential(self.add("Neg", value))))

    def finish(self, output: str) -> bytes:
        """The model file: inputs (n, input count) and the value `output` (n, 1), both float64."""
        nodes = [*self._nodes, helper.make_node("Identity", [output], [_OUTPUT])]
        inputs = helper.make_tensor_value_info(GRAPH_INPUT, TensorProto.DOUBLE, ["rows", self._input_count])
        outputs = helper.make_tensor_value_info(_OUTPUT, TensorProto.DOUBLE, ["rows", 1])
        graph = helper.make_graph(nodes, "compiled", [inputs], [outputs], self._constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        return bytes(model.SerializeToString())
