"""A plain interpreter of the expression language, row by row: what `loan_api.credit.expressions` must agree with."""

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from loan_api.credit.expressions import Operand


class Reference:
    """An evaluator over one row, with a float for each number and truth and a code for each category."""

    def __init__(self, scope: Mapping[str, Operand], row: Mapping[str, float]) -> None:
        self._scope = scope
        self._row = row

    def value(self, source: str) -> float | None:
        """Return the value of a valid expression; None if it is missing."""
        found = self._of(_parsed(source))
        assert not isinstance(found, str)
        if found is None or not math.isfinite(found):
            return None
        return float(found)

    def _of(self, tree: ast.AST) -> Any:  # noqa: C901, PLR0911  # a case for each kind of syntax
        match tree:
            case ast.Constant(value=constant):
                return constant
            case ast.Name(id=name):
                operand, given_value = self._scope[name], self._row[name]
                if operand.kind == "text":
                    return None if given_value < 0 else operand.values[int(given_value)]
                return None if math.isnan(given_value) else given_value
            case ast.UnaryOp(op=ast.USub(), operand=operand_tree):
                return _on_known(operator.neg, self._of(operand_tree))
            case ast.UnaryOp(op=ast.Not(), operand=operand_tree):
                return _on_known(lambda truth: 1 - truth, self._of(operand_tree))
            case ast.BinOp(left=left, op=op, right=right):
                return _on_known(_ARITHMETIC[type(op)], self._of(left), self._of(right))
            case ast.BoolOp(op=op, values=values):
                return _kleene([self._of(each) for each in values], decisive=0 if isinstance(op, ast.And) else 1)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                sides = [left, *comparators]
                found = [
                    self._comparison(one, op, other) for one, op, other in zip(sides, ops, sides[1:], strict=False)
                ]
                return _kleene(found, decisive=0)
            case ast.Call(func=ast.Name(id="missing"), args=[argument]):
                found = self._of(argument)
                return float(found is None or (not isinstance(found, str) and not math.isfinite(found)))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                functions: Mapping[str, Callable[..., float]] = {"min": min, "max": max, "abs": abs}
                return _on_known(functions[name], *map(self._of, arguments))
        raise AssertionError(tree)

    def _comparison(self, one: ast.AST, op: ast.cmpop, other: ast.AST) -> float | None:
        left = self._of(one)
        if isinstance(op, ast.In | ast.NotIn):
            assert isinstance(other, ast.Tuple | ast.List)
            members = [self._of(each) for each in other.elts]
            return _on_known(lambda given_value: float((given_value in members) == isinstance(op, ast.In)), left)
        return _on_known(lambda a, b: float(_COMPARISONS[type(op)](a, b)), left, self._of(other))


_ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float | None]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: a / b if b else None,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def _on_known(function: Callable[..., float | None], *values: Any) -> float | None:
    if any(each is None or _is_nan(each) for each in values):
        return None
    found = function(*values)
    return None if found is None or _is_nan(found) else found


def _is_nan(each: float | str) -> bool:
    return isinstance(each, float) and math.isnan(each)


def _kleene(values: Sequence[float | None], decisive: float) -> float | None:
    if decisive in values:
        return decisive
    return None if None in values else 1 - decisive


@cache
def _parsed(source: str) -> ast.AST:
    return ast.parse(source, mode="eval").body
