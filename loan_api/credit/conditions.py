"""Coverage of conditions: rules that can never apply, because earlier ones apply first.

A condition is read as alternatives (`or`) of limits (`and`) on subjects: a number lies between two limits, a category
is one of some values, and anything else is true or not. A later condition is covered if each of its alternatives lies
within an alternative of an earlier one. The analysis is conservative: it may miss a covered condition, but never
reports one that is not.
"""

import ast
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

# The numbers between two limits, inclusive, or the values of a category.
_Limit = tuple[float, float] | frozenset[str]
# The limits of all subjects, by the subject's syntax.
Alternative = Mapping[str, _Limit]

_TRUE: _Limit = (1.0, 1.0)
_MIRRORED: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
    ast.Eq: ast.Eq,
}


def alternatives(source: str) -> Sequence[Alternative]:
    """Return the alternatives of a valid condition, without those that contradict themselves."""
    found = []
    for tree in _parts(ast.parse(source.strip(), mode="eval").body, ast.Or):
        limits: dict[str, _Limit] = {}
        for part in _parts(tree, ast.And):
            for subject, limit in _limits(part):
                limits[subject] = _both(limits[subject], limit) if subject in limits else limit
        if all(map(_is_possible, limits.values())):
            found.append(limits)
    return found


def covers(earlier: Sequence[Alternative], later: Sequence[Alternative]) -> bool:
    """Return whether some alternative in `earlier` is true whenever one in `later` is."""
    return all(any(_contains(one, other) for one in earlier) for other in later)


def _contains(one: Alternative, other: Alternative) -> bool:
    return all(subject in other and _is_within(other[subject], limit) for subject, limit in one.items())


def _is_within(inner: _Limit, outer: _Limit) -> bool:
    if isinstance(inner, frozenset) and isinstance(outer, frozenset):
        return inner <= outer
    return not isinstance(inner, frozenset) and not isinstance(outer, frozenset) and _both(inner, outer) == inner


def _both(one: _Limit, other: _Limit) -> _Limit:
    if isinstance(one, frozenset) and isinstance(other, frozenset):
        return one & other
    if isinstance(one, frozenset) or isinstance(other, frozenset):
        raise TypeError("a subject is a number or a category")
    return max(one[0], other[0]), min(one[1], other[1])


def _is_possible(limit: _Limit) -> bool:
    return bool(limit) if isinstance(limit, frozenset) else limit[0] <= limit[1]


def _parts(tree: ast.expr, operator: type[ast.boolop]) -> list[ast.expr]:
    if isinstance(tree, ast.BoolOp) and isinstance(tree.op, operator):
        return [part for value in tree.values for part in _parts(value, operator)]
    return [tree]


def _limits(tree: ast.expr) -> list[tuple[str, _Limit]]:
    if not isinstance(tree, ast.Compare):
        return [(ast.dump(tree), _TRUE)]
    sides = pairwise([tree.left, *tree.comparators])
    return [_limit(left, operator, right) for operator, (left, right) in zip(tree.ops, sides, strict=True)]


def _limit(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> tuple[str, _Limit]:
    kind = type(operator)
    if _constant(left) is not None and kind in _MIRRORED:
        left, kind, right = right, _MIRRORED[kind], left
    texts = _texts(right)
    if texts and kind in (ast.Eq, ast.In):
        return ast.dump(left), texts
    number = _constant(right)
    if isinstance(number, float):
        # No float64 lies between two neighbours, so a strict limit excludes exactly the number itself.
        between: Mapping[type[ast.cmpop], _Limit] = {
            ast.Lt: (-math.inf, math.nextafter(number, -math.inf)),
            ast.LtE: (-math.inf, number),
            ast.Gt: (math.nextafter(number, math.inf), math.inf),
            ast.GtE: (number, math.inf),
            ast.Eq: (number, number),
        }
        if kind in between:
            return ast.dump(left), between[kind]
    return ast.dump(ast.Compare(left, [kind()], [right])), _TRUE


def _texts(tree: ast.expr) -> frozenset[str] | None:
    values = [_constant(each) for each in (tree.elts if isinstance(tree, ast.Tuple | ast.List | ast.Set) else [tree])]
    texts = frozenset(value for value in values if isinstance(value, str))
    return texts if len(texts) == len(set(values)) else None


def _constant(tree: ast.expr) -> float | str | None:
    match tree:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Constant(value=str() as text):
            return text
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -float(value)
    return None
