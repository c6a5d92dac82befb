"""An ONNX graph, built one operation at a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from loan_api.scoring.compiled import GRAPH_INPUT, GRAPH_RELEVANT

TREES_DOMAIN = "ai.onnx.ml"
_OPSETS = {"": 21, TREES_DOMAIN: 5}
_IR_VERSION = 10
_BASE_EXPONENT = 512.0
_OUTPUT = "answer"


class Graph:
    """A graph that grows by `add`. Values are identified by name; `GRAPH_INPUT` exists from the start."""

    def __init__(self, input_count: int) -> None:
        self._input_count = input_count
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def add(self, operation: str, *operands: str, domain: str = "", **attributes: Any) -> str:
        """Apply an ONNX operation to values of the graph and return the result's name."""
        name = f"{operation.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operation, list(operands), [name], domain=domain, **attributes))
        return name

    def constant(self, values: NDArray[Any] | np.generic | float) -> str:
        """Add an array (any shape) or number (float64 if it is a Python one) and return its name."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def cast(self, value: str, to: type[np.float32 | np.float64 | np.int64]) -> str:
        """Round the value to the nearest of that type."""
        return self.add("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(to)))

    def exponential(self, value: str) -> str:
        """Add the exponential of a float64 value; 0 on underflow and infinity on overflow.

        onnxruntime's Exp handles several rows at a time and computes the remaining ones with a different last bit, so a
        row's answer would depend on its position in the batch. Pow computes each row alone. Its base is e^512: the
        base's rounding error then weighs 512 times less than with e, and nearly all answers equal the C library's exp.
        Division by 512 is exact.
        """
        exponent = self.add("Div", value, self.constant(_BASE_EXPONENT))
        return self.add("Pow", self.constant(np.exp(_BASE_EXPONENT)), exponent)

    def logistic(self, value: str) -> str:
        """Add 1 / (1 + e^-value) in float64. It is 0 if e^-value overflows, as in scipy.special.expit."""
        one = self.constant(1.0)
        return self.add("Div", one, self.add("Add", one, self.exponential(self.add("Neg", value))))

    def finish(self, output: str) -> bytes:
        """Return the model file: inputs (n, input count) and the value `output` (n, 1), both float64."""
        nodes = [*self._nodes, helper.make_node("Identity", [output], [_OUTPUT])]
        inputs = helper.make_tensor_value_info(GRAPH_INPUT, TensorProto.DOUBLE, ["rows", self._input_count])
        outputs = helper.make_tensor_value_info(_OUTPUT, TensorProto.DOUBLE, ["rows", 1])
        graph = helper.make_graph(nodes, "compiled", [inputs], [outputs], self._constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        helper.set_model_props(model, {GRAPH_RELEVANT: " ".join(map(str, sorted(self._relevant_inputs())))})
        return bytes(model.SerializeToString())

    def _relevant_inputs(self) -> set[int]:
        """Return the inputs that trees compare; all of them if any other operation reads them."""
        same, compared = {GRAPH_INPUT}, set[int]()
        for node in self._nodes:
            if same.isdisjoint(node.input):
                continue
            if node.op_type == "Cast":
                same.update(node.output)
            elif node.op_type == "TreeEnsemble":
                (places,) = (each.ints for each in node.attribute if each.name == "nodes_featureids")
                compared.update(places)
            else:
                return set(range(self._input_count))
        return compared
