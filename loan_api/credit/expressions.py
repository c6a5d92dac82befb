"""The expression language of formulas and conditions: a closed subset of Python's syntax.

Names, numbers, texts, `+ - * /`, (chained) comparisons, `and or not in`, `min max abs` and `missing(x)`. Division by
zero and operations on missing values yield missing; `and` and `or` yield missing only if the result depends on the
missing value (Kleene's logic). `Expression` checks a text once and evaluates it over columns and over single
applications. Both run the same sequence of float64 operations, so their results are identical to the last bit.

The module ships with the registered model and depends on numpy alone.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from types import CodeType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["number", "truth", "text"]
# 1 if the value never falls when the name grows, -1 if it never rises, None if neither is certain.
Slope = Literal[1, -1] | None

FUNCTIONS = ("min", "max", "abs", "missing")
_LONGEST = 2000
# Far from Python's own limit, so that an expression is valid wherever it is parsed.
_DEEPEST = 200
# A chained comparison compiles its inner sides twice, so nested chains would double the work with every level.
_MOST_PARTS = 10_000
_SHOWN_LENGTH = 40
_FEW = 3
_NAN = math.nan
_COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}


@dataclass(frozen=True)
class Operand:
    """A name that expressions can use: a number between two limits, a truth, or a category with its values."""

    kind: Kind
    minimum: float = -math.inf
    maximum: float = math.inf
    values: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True)
class ExpressionProblem:
    """One error in an expression and its column, counting from 1."""

    column: int
    text: str


class ExpressionError(ValueError):
    """An expression is not valid. `problems` holds every error found."""

    def __init__(self, problems: list[ExpressionProblem]) -> None:
        super().__init__("; ".join(f"column {problem.column}: {problem.text}" for problem in problems))
        self.problems = problems


class _TooDeepError(Exception):
    """The syntax tree is deeper than `_DEEPEST`, or compiling it takes more than `_MOST_PARTS` steps."""


class Expression:
    """A checked expression over the names in `scope`.

    `kind` is number or truth. `minimum` and `maximum` bound its value for operands within their limits. `slopes` maps
    each name that it uses to the direction in which its value moves with it. Raises ExpressionError.
    """

    def __init__(self, source: str, scope: Mapping[str, Operand]) -> None:
        self.source = source
        self._scope = scope
        compiler = _Compiler(source, scope)
        node = compiler.compile()
        if compiler.problems:
            raise ExpressionError(sorted(compiler.problems, key=lambda problem: problem.column))
        self.kind = node.kind
        self.minimum, self.maximum = node.low, node.high
        # A result that overflows is missing, too.
        self.may_be_missing = node.may_be_missing or not math.isfinite(node.high - node.low)
        self.slopes: Mapping[str, Slope] = node.slopes
        self._code = _compiled(node.code)
        self._scalar = _SCALAR | compiler.scalar
        self._columns = _COLUMNS | compiler.columns

    def __reduce__(self) -> tuple[type[Expression], tuple[str, Mapping[str, Operand]]]:
        """Support pickling, which code objects do not."""
        return Expression, (self.source, self._scope)

    def of_columns(self, values: Mapping[str, NDArray[Any]], rows: int) -> NDArray[np.float64]:
        """Evaluate for n rows: float64 for numbers, codes for categories (-1 is missing). Truth is 1 or 0.

        Missing results, and numbers that are not finite, are NaN.
        """
        with np.errstate(all="ignore"):
            # The code was generated from checked syntax and can only call the functions below.
            result = np.asarray(eval(self._code, self._columns, values), dtype=np.float64)  # noqa: S307
        is_finite = np.isfinite(result)
        if not is_finite.all():
            result = np.where(is_finite, result, _NAN)
        return result if result.ndim else np.full(rows, result)

    def of_application(self, values: Mapping[str, Any]) -> float:
        """Evaluate for one application, given a float for each number and a code for each category."""
        result = float(eval(self._code, self._scalar, values))  # noqa: S307  # as above
        return result if math.isfinite(result) else _NAN


class FirstMatch:
    """The first of several conditions that is true. A missing condition is not.

    Unlike `Expression`, it does not distinguish false from missing, which makes it several times as fast.
    """

    def __init__(self, sources: Sequence[str], scope: Mapping[str, Operand]) -> None:
        """Compile conditions that are valid as `Expression`."""
        compiler = _Compiler("", scope)
        conditions = [compiler.condition(source) for source in sources]
        self._columns = _COLUMNS | compiler.columns
        self._conditions = [_compiled(condition) for condition in conditions]
        # One expression for all: `condition_1 and 1 or condition_2 and 2 or … or 0`.
        places: list[ast.expr] = [
            ast.BoolOp(ast.And(), [condition, ast.Constant(place)])
            for place, condition in enumerate(conditions, start=1)
        ]
        self._scalar = _SCALAR | compiler.scalar
        self._code = _compiled(ast.BoolOp(ast.Or(), [*places, ast.Constant(0)]) if places else ast.Constant(0))

    def of_columns(self, values: Mapping[str, NDArray[Any]], rows: int) -> NDArray[np.int8]:
        """Return the position of the first condition that is true in each of n rows, or -1, for at most 127."""
        first = np.full(rows, -1, np.int8)
        with np.errstate(all="ignore"):
            for place in reversed(range(len(self._conditions))):
                is_true = eval(self._conditions[place], self._columns, values)  # noqa: S307  # as above
                np.copyto(first, np.int8(place), where=is_true)
        return first

    def of_application(self, values: Mapping[str, Any]) -> int:
        """Return the position of the first condition that is true, or -1."""
        return int(eval(self._code, self._scalar, values)) - 1  # noqa: S307  # as above


def _compiled(tree: ast.expr) -> CodeType:
    return compile(ast.fix_missing_locations(ast.Expression(tree)), "<expression>", "eval")


@dataclass(frozen=True)
class _Node:
    """A checked part of an expression, and the code that computes it."""

    kind: Kind
    code: ast.expr
    low: float = -math.inf
    high: float = math.inf
    may_be_missing: bool = False
    slopes: Mapping[str, Slope] = field(default_factory=dict)
    # The values of a category's codes, or the literal texts.
    texts: tuple[str, ...] = ()
    is_literal: bool = False
    # Of a condition: code for a bool, whether it is true, and whether it is false. A missing one is neither.
    is_true: ast.expr | None = None
    is_false: ast.expr | None = None


class _Compiler:
    """Checks the syntax tree of one expression and translates it to calls of the functions below."""

    def __init__(self, source: str, scope: Mapping[str, Operand]) -> None:
        self._source = source
        self._scope = scope
        self._depth = 0
        self._parts = 0
        self.problems: list[ExpressionProblem] = []
        # The tables that the code looks values up in, for single applications and for columns.
        self.scalar: dict[str, tuple[float, ...]] = {}
        self.columns: dict[str, NDArray[Any]] = {}

    def condition(self, source: str) -> ast.expr:
        """Return the code for a bool, whether a valid condition is true."""
        self._source = source
        node = self.compile()
        if node.is_true is None:
            raise ValueError("not a valid condition")
        return node.is_true

    def compile(self) -> _Node:
        """Check the whole expression. Problems are collected."""
        self._parts = 0
        if len(self._source) > _LONGEST:
            return self._wrong(None, f"is longer than {_LONGEST} characters")
        try:
            tree = ast.parse(self._source.strip(), mode="eval").body
            node = self._node(tree)
        except SyntaxError as error:
            # At the end of the text, Python gives no column, or 0.
            column = error.offset or len(self._source.strip()) + 1
            return self._wrong(None, f"is not valid syntax ({error.msg})", column)
        except ValueError:
            return self._wrong(None, "is not valid syntax")
        except (_TooDeepError, RecursionError, MemoryError):
            return self._wrong(None, "is nested too deeply")
        if node.kind == "text" and not self.problems:
            return self._wrong(tree, "must be a number or a condition, not a text")
        return node

    def _shown(self, tree: ast.expr) -> str:
        """Return the beginning of the part's source."""
        text = ast.get_source_segment(self._source.strip(), tree) or ""
        return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"

    def _wrong(self, tree: ast.AST | None, text: str, column: int | None = None) -> _Node:
        offset = len(self._source) - len(self._source.lstrip())
        # The tree counts bytes.
        before = self._source.strip().encode(errors="surrogatepass")[: getattr(tree, "col_offset", 0)]
        at = column or len(before.decode(errors="surrogatepass")) + 1
        self.problems.append(ExpressionProblem(offset + at, text))
        return _Node("number", ast.Constant(_NAN))

    def _node(self, tree: ast.expr) -> _Node:
        self._depth += 1
        self._parts += 1
        if self._depth > _DEEPEST or self._parts > _MOST_PARTS:
            raise _TooDeepError
        node = self._checked(tree)
        self._depth -= 1
        return node

    def _checked(self, tree: ast.expr) -> _Node:  # noqa: C901, PLR0911, PLR0912  # a case for each kind of syntax
        match tree:
            case ast.Name(id=name):
                return self._name(tree, name)
            case ast.Constant(value=bool()):
                return self._wrong(tree, "True and False are not part of the language")
            case ast.Constant(value=int() | float() as value):
                number = float(value) if abs(value) < 1e300 else math.inf  # noqa: PLR2004  # int may exceed any float
                if not math.isfinite(number):
                    return self._wrong(tree, "the number is too large")
                return _Node("number", ast.Constant(number), number, number)
            case ast.Constant(value=str() as text):
                return _Node("text", tree, texts=(text,), is_literal=True)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                node = self._typed(operand, "number")
                return _Node(
                    "number",
                    ast.UnaryOp(ast.USub(), node.code),
                    -node.high,
                    -node.low,
                    node.may_be_missing,
                    _turned(node.slopes, -1),
                )
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._typed(operand, "number")
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return _negated(self._typed(operand, "truth"))
            case ast.BinOp(left=left, op=operator, right=right):
                return self._arithmetic(tree, self._typed(left, "number"), operator, self._typed(right, "number"))
            case ast.BoolOp(op=operator, values=values):
                nodes = [self._typed(value, "truth") for value in values]
                name = "both" if isinstance(operator, ast.And) else "either"
                return _all_combined(name, nodes)
            case ast.Compare(left=left, ops=operators, comparators=comparators):
                sides = pairwise([left, *comparators])
                nodes = [
                    self._comparison(tree, one, operator, other)
                    for operator, (one, other) in zip(operators, sides, strict=True)
                ]
                return _all_combined("both", nodes)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
                return self._function(tree, name, arguments)
            case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
                return self._wrong(tree, f"{name} takes no named arguments")
            case ast.Call(func=ast.Name(id=name)):
                return self._wrong(tree, f"{name} is not a function; use {', '.join(FUNCTIONS)}")
        return self._wrong(tree, f"{self._shown(tree)} is not part of the language")

    def _typed(self, tree: ast.expr, kind: Kind) -> _Node:
        node = self._node(tree)
        known = len(self.problems)
        if node.kind != kind and not known:
            expected = {"number": "a number", "truth": "a condition"}[kind]
            return self._wrong(tree, f"{self._shown(tree)} is not {expected}")
        return node

    def _name(self, tree: ast.expr, name: str) -> _Node:
        operand = self._scope.get(name)
        if operand is None:
            return self._wrong(tree, f"{name} is not known here")
        slopes: Mapping[str, Slope] = {name: 1 if operand.kind != "text" else None}
        code = ast.Name(name, ast.Load())
        if operand.kind == "truth":
            return _truth(code, operand.optional, slopes, (operand.minimum, operand.maximum))
        return _Node(
            operand.kind,
            code,
            operand.minimum,
            operand.maximum,
            operand.optional,
            slopes,
            operand.values,
        )

    def _arithmetic(self, tree: ast.expr, one: _Node, operator: ast.operator, other: _Node) -> _Node:
        may_be_missing = one.may_be_missing or other.may_be_missing
        match operator:
            case ast.Add():
                low, high = one.low + other.low, one.high + other.high
                slopes = _merged(one.slopes, other.slopes)
            case ast.Sub():
                low, high = one.low - other.high, one.high - other.low
                slopes = _merged(one.slopes, _turned(other.slopes, -1))
            case ast.Mult():
                products = [_product(a, b) for a in (one.low, one.high) for b in (other.low, other.high)]
                low, high = min(products), max(products)
                slopes = _merged(_turned(one.slopes, _sign(other)), _turned(other.slopes, _sign(one)))
            case ast.Div():
                return self._quotient(one, other)
            case _:
                return self._wrong(tree, "only + - * / are part of the language")
        return _Node("number", ast.BinOp(one.code, operator, other.code), low, high, may_be_missing, slopes)

    def _quotient(self, one: _Node, other: _Node) -> _Node:
        can_be_zero = other.low <= 0 <= other.high
        low, high = -math.inf, math.inf
        if not can_be_zero:
            quotients = [_ratio(a, b) for a in (one.low, one.high) for b in (other.low, other.high)]
            low, high = min(quotients), max(quotients)
        slopes = _merged(_turned(one.slopes, _sign(other)), _turned(other.slopes, _opposite(_sign(one))))
        if can_be_zero:
            slopes = dict.fromkeys(slopes)
        may_be_missing = can_be_zero or one.may_be_missing or other.may_be_missing
        return _Node(
            "number",
            _call("divide" if can_be_zero else "quotient", one.code, other.code),
            low,
            high,
            may_be_missing,
            slopes,
        )

    def _comparison(  # noqa: PLR0911  # a return for each kind of problem
        self, tree: ast.expr, left: ast.expr, operator: ast.cmpop, right: ast.expr
    ) -> _Node:
        if isinstance(operator, ast.In | ast.NotIn):
            found = self._membership(left, right)
            if isinstance(operator, ast.In):
                return found
            return _negated(found)
        name = _COMPARISONS.get(type(operator))
        if name is None:
            return self._wrong(tree, "`is` is not part of the language; compare with == or use missing(x)")
        one, other = self._node(left), self._node(right)
        if self.problems:
            return one
        if "text" in (one.kind, other.kind):
            return self._text_comparison(left, one, name, right, other)
        if one.kind != other.kind:
            return self._wrong(tree, f"{self._shown(left)} and {self._shown(right)} cannot be compared")
        rising = _merged(_turned(one.slopes, -1), other.slopes)
        slopes = {
            "less": rising,
            "less_equal": rising,
            "greater": _turned(rising, -1),
            "greater_equal": _turned(rising, -1),
        }.get(name, dict.fromkeys(rising))
        may_be_missing = one.may_be_missing or other.may_be_missing
        return _compared(name, one, other, may_be_missing, slopes)

    def _text_comparison(self, left: ast.expr, one: _Node, name: str, right: ast.expr, other: _Node) -> _Node:
        if one.kind != other.kind:
            return self._wrong(left, f"{self._shown(left)} and {self._shown(right)} cannot be compared")
        if name not in ("equal", "not_equal"):
            return self._wrong(left, "texts have no order; compare them with == != or in")
        if one.is_literal:
            left, one, right, other = right, other, left, one
        if one.is_literal:
            return self._wrong(left, "compares two fixed texts")
        if other.is_literal:
            return self._among(left, one, right, other.texts, negated=name == "not_equal")
        # Two categories: number the texts of both alike.
        numbers = {text: float(place) for place, text in enumerate(dict.fromkeys(one.texts + other.texts))}
        codes = [self._table([*(numbers[text] for text in node.texts), _NAN], node) for node in (one, other)]
        slopes: Mapping[str, Slope] = dict.fromkeys([*one.slopes, *other.slopes])
        left_code, right_code = (_Node("number", code) for code in codes)
        return _compared(name, left_code, right_code, one.may_be_missing or other.may_be_missing, slopes)

    def _membership(self, left: ast.expr, right: ast.expr) -> _Node:
        one = self._node(left)
        if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
            return self._wrong(right, "`in` needs a list of fixed values, such as (12, 24)")
        others = [self._node(each) for each in right.elts]
        if self.problems:
            return one
        if one.kind == "text" and not one.is_literal and all(other.is_literal for other in others):
            return self._among(left, one, right, tuple(text for other in others for text in other.texts))
        if one.kind != "number" or any(other.kind != "number" or other.slopes for other in others):
            return self._wrong(right, "`in` needs a list of fixed values of the same type")
        equal = [_compared("equal", one, other, one.may_be_missing, dict.fromkeys(one.slopes)) for other in others]
        return _all_combined("either", equal)

    def _among(
        self, left: ast.expr, one: _Node, right: ast.expr, texts: tuple[str, ...], *, negated: bool = False
    ) -> _Node:
        unknown = [text for text in texts if text not in one.texts]
        if unknown:
            return self._wrong(right, f"{unknown[0]!r} is not a value of {self._shown(left)}")
        truths = [float((text in texts) != negated) for text in one.texts]
        return _truth(
            self._table([*truths, _NAN], one),
            one.may_be_missing,
            dict.fromkeys(one.slopes),
            (min(truths), max(truths)),
            self._is_among([truth == 1 for truth in truths], one),
            self._is_among([truth == 0 for truth in truths], one),
        )

    def _function(self, tree: ast.expr, name: str, arguments: list[ast.expr]) -> _Node:
        least = 2 if name in ("min", "max") else 1
        if len(arguments) < least or (least == 1 and len(arguments) > 1):
            count = "at least two arguments" if least > 1 else "one argument"
            return self._wrong(tree, f"{name} needs {count}")
        if name == "missing":
            node = self._node(arguments[0])
            if node.kind == "text":
                if node.is_literal:
                    return self._wrong(tree, "missing needs a name")
                code: ast.expr = self._table([*(0.0 for _ in node.texts), 1.0], node)
            else:
                code = _call("is_missing", node.code)
            # A number without finite limits may overflow, which is missing, too.
            high = float(node.may_be_missing or (node.kind == "number" and not math.isfinite(node.high - node.low)))
            return _truth(code, False, dict.fromkeys(node.slopes), (0.0, high))
        nodes = [self._typed(argument, "number") for argument in arguments]
        if name == "abs":
            return _absolute(nodes[0])
        extreme = min if name == "min" else max
        return _Node(
            "number",
            _call("minimum" if name == "min" else "maximum", *(node.code for node in nodes)),
            extreme(node.low for node in nodes),
            extreme(node.high for node in nodes),
            any(node.may_be_missing for node in nodes),
            reduce(_merged, (node.slopes for node in nodes)),
        )

    def _is_among(self, chosen: Sequence[bool], node: _Node) -> ast.expr:
        """Return the code for a bool, whether a category's code is one of the chosen. The code of missing is not."""
        codes = [code for code, is_chosen in enumerate(chosen) if is_chosen]
        if not 0 < len(codes) <= _FEW:
            return self._table([*chosen, False], node)
        # For columns, this is much faster than a table.
        equal = [_bool(ast.Eq, node.code, ast.Constant(code)) for code in codes]
        return reduce(lambda one, other: ast.BinOp(one, ast.BitOr(), other), equal)

    def _table(self, values: Sequence[float], node: _Node) -> ast.expr:
        """Return the code that looks up a category's code in a table whose last entry is for missing."""
        name = f"_table_{len(self.scalar)}"
        self.scalar[name] = tuple(values)
        self.columns[name] = np.array(values)
        return ast.Subscript(ast.Name(name, ast.Load()), node.code, ast.Load())


def _call(function: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(f"_{function}", ast.Load()), list(arguments), [])


def _truth(
    code: ast.expr,
    may_be_missing: bool,
    slopes: Mapping[str, Slope],
    limits: tuple[float, float] = (0.0, 1.0),
    is_true: ast.expr | None = None,
    is_false: ast.expr | None = None,
) -> _Node:
    is_true = is_true or _bool(ast.Eq, code, ast.Constant(1.0))
    is_false = is_false or _bool(ast.Eq, code, ast.Constant(0.0))
    return _Node("truth", code, *limits, may_be_missing, slopes, is_true=is_true, is_false=is_false)


def _negated(node: _Node) -> _Node:
    limits = (1.0 - node.high, 1.0 - node.low)
    code = _call("negate", node.code)
    return _truth(code, node.may_be_missing, _turned(node.slopes, -1), limits, node.is_false, node.is_true)


def _combined(function: str, one: _Node, other: _Node) -> _Node:
    may_be_missing = one.may_be_missing or other.may_be_missing
    bound, all_of, any_of = (min, ast.BitAnd(), ast.BitOr()) if function == "both" else (max, ast.BitOr(), ast.BitAnd())
    return _truth(
        _call(function, one.code, other.code),
        may_be_missing,
        _merged(one.slopes, other.slopes),
        (bound(one.low, other.low), bound(one.high, other.high)),
        one.is_true and other.is_true and ast.BinOp(one.is_true, all_of, other.is_true),
        one.is_false and other.is_false and ast.BinOp(one.is_false, any_of, other.is_false),
    )


def _compared(name: str, one: _Node, other: _Node, may_be_missing: bool, slopes: Mapping[str, Slope]) -> _Node:
    a, b = one.code, other.code
    # Comparisons with NaN are false, except `!=`.
    differs = ast.BinOp(_bool(ast.Lt, a, b), ast.BitOr(), _bool(ast.Gt, a, b))
    is_true, is_false = {
        "less": (_bool(ast.Lt, a, b), _bool(ast.GtE, a, b)),
        "less_equal": (_bool(ast.LtE, a, b), _bool(ast.Gt, a, b)),
        "greater": (_bool(ast.Gt, a, b), _bool(ast.LtE, a, b)),
        "greater_equal": (_bool(ast.GtE, a, b), _bool(ast.Lt, a, b)),
        "equal": (_bool(ast.Eq, a, b), differs),
        "not_equal": (differs, _bool(ast.Eq, a, b)),
    }[name]
    return _truth(_call(name, a, b), may_be_missing, slopes, _bounds(name, one, other), is_true, is_false)


def _bool(operator: type[ast.cmpop], one: ast.expr, other: ast.expr) -> ast.expr:
    return ast.Compare(one, [operator()], [other])


def _bounds(comparison: str, one: _Node, other: _Node) -> tuple[float, float]:
    """Return the least and the greatest truth of a comparison of two numbers, given their limits."""
    low, high = one.low - other.high, one.high - other.low
    if not math.isfinite(high - low):
        return 0.0, 1.0
    always, never = {
        "less": (high < 0, low >= 0),
        "less_equal": (high <= 0, low > 0),
        "greater": (low > 0, high <= 0),
        "greater_equal": (low >= 0, high < 0),
        "equal": (low == high == 0, low > 0 or high < 0),
        "not_equal": (low > 0 or high < 0, low == high == 0),
    }[comparison]
    return float(always), float(not never)


def _all_combined(function: str, nodes: Sequence[_Node]) -> _Node:
    """Combine the nodes as a balanced tree, so that long lists do not nest deeply."""
    if len(nodes) == 1:
        return nodes[0]
    half = len(nodes) // 2
    return _combined(function, _all_combined(function, nodes[:half]), _all_combined(function, nodes[half:]))


def _absolute(node: _Node) -> _Node:
    sign = _sign(node)
    high = max(abs(node.low), abs(node.high))
    low = min(abs(node.low), abs(node.high)) if sign is not None else 0.0
    return _Node("number", _call("absolute", node.code), low, high, node.may_be_missing, _turned(node.slopes, sign))


def _sign(node: _Node) -> Slope:
    return 1 if node.low >= 0 else -1 if node.high <= 0 else None


def _opposite(sign: Slope) -> Slope:
    return None if sign is None else -1 if sign == 1 else 1


def _turned(slopes: Mapping[str, Slope], sign: Slope) -> Mapping[str, Slope]:
    if sign == 1:
        return slopes
    return {name: _opposite(slope) if sign == -1 else None for name, slope in slopes.items()}


def _merged(one: Mapping[str, Slope], other: Mapping[str, Slope]) -> Mapping[str, Slope]:
    merged = {**one, **other}
    for name in one.keys() & other.keys():
        merged[name] = one[name] if one[name] == other[name] else None
    return merged


def _product(one: float, other: float) -> float:
    # An infinite limit times zero is zero: the values themselves are finite.
    return 0.0 if 0.0 in (one, other) else one * other


def _ratio(one: float, other: float) -> float:
    return 0.0 if math.isinf(other) or one == 0 else one / other


def _scalar_divide(a: float, b: float) -> float:
    return a / b if b else _NAN


def _scalar_extreme(better: Callable[[float, float], bool]) -> Callable[..., float]:
    def extreme(*values: float) -> float:
        best = values[0]
        for value in values:
            if value != value:  # noqa: PLR0124  # only NaN differs from itself
                return value
            if better(value, best):
                best = value
        # Adding 0 makes -0 and 0 the same bits.
        return best + 0.0

    return extreme


def _scalar_comparison(compare: Callable[[float, float], bool]) -> Callable[[float, float], float]:
    def compared(a: float, b: float) -> float:
        return float(compare(a, b)) if a == a and b == b else _NAN  # noqa: PLR0124

    return compared


def _scalar_both(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b


def _scalar_either(a: float, b: float) -> float:
    return 1.0 if a == 1 or b == 1 else a + b


def _columns_divide(a: Any, b: Any) -> Any:
    return np.where(np.asarray(b) == 0, _NAN, np.divide(a, b))


def _columns_comparison(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def compared(a: Any, b: Any) -> Any:
        return np.where(np.isnan(a) | np.isnan(b), _NAN, compare(a, b))

    return compared


def _columns_both(a: Any, b: Any) -> Any:
    return np.where((np.asarray(a) == 0) | (np.asarray(b) == 0), 0.0, np.multiply(a, b))


def _columns_either(a: Any, b: Any) -> Any:
    return np.where((np.asarray(a) == 1) | (np.asarray(b) == 1), 1.0, np.add(a, b))


_SCALAR: dict[str, Any] = {
    "__builtins__": {},
    "_divide": _scalar_divide,
    "_quotient": _scalar_divide,
    "_minimum": _scalar_extreme(lambda a, b: a < b),
    "_maximum": _scalar_extreme(lambda a, b: a > b),
    "_absolute": abs,
    "_negate": lambda a: 1.0 - a,
    "_both": _scalar_both,
    "_either": _scalar_either,
    "_is_missing": lambda a: float(not math.isfinite(a)),
    "_less": _scalar_comparison(lambda a, b: a < b),
    "_less_equal": _scalar_comparison(lambda a, b: a <= b),
    "_greater": _scalar_comparison(lambda a, b: a > b),
    "_greater_equal": _scalar_comparison(lambda a, b: a >= b),
    "_equal": _scalar_comparison(lambda a, b: a == b),
    "_not_equal": _scalar_comparison(lambda a, b: a != b),
}
_COLUMNS: dict[str, Any] = {
    "__builtins__": {},
    "_divide": _columns_divide,
    # Of a number that cannot be zero, which needs no check.
    "_quotient": np.divide,
    "_minimum": lambda *values: reduce(np.minimum, values) + 0.0,
    "_maximum": lambda *values: reduce(np.maximum, values) + 0.0,
    "_absolute": np.abs,
    "_negate": lambda a: 1.0 - a,
    "_both": _columns_both,
    "_either": _columns_either,
    "_is_missing": lambda a: np.where(np.isfinite(a), 0.0, 1.0),
    "_less": _columns_comparison(np.less),
    "_less_equal": _columns_comparison(np.less_equal),
    "_greater": _columns_comparison(np.greater),
    "_greater_equal": _columns_comparison(np.greater_equal),
    "_equal": _columns_comparison(np.equal),
    "_not_equal": _columns_comparison(np.not_equal),
}
