"""The expression language: its meaning, its errors, and equal bits for columns and single applications."""

import math
import pickle
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from loan_api.credit.expressions import Expression, ExpressionError, FirstMatch, Operand
from tests.support.interpreter import Reference

NAN = math.nan
HOUSING = ("own", "rent", "für umme")
SCOPE = {
    "amount": Operand("number", 1, 1000),
    "income": Operand("number", 0, 500, optional=True),
    "balance": Operand("number", -100, 100),
    "young": Operand("truth", 0, 1, optional=True),
    "housing": Operand("text", values=HOUSING, optional=True),
    "past": Operand("text", values=("rent", "own")),
}
ROW = {"amount": 8.0, "income": 4.0, "balance": -2.0, "young": 1.0, "housing": 1, "past": 0}
ALL_MISSING = ROW | {"income": NAN, "young": NAN, "housing": -1}


def value(source: str, **changes: float) -> float:
    return Expression(source, SCOPE).of_application(ROW | changes)


def problems(source: str) -> list[tuple[int, str]]:
    with pytest.raises(ExpressionError) as error:
        Expression(source, SCOPE)
    return [(problem.column, problem.text) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 4 - 3", 3),
        ("16 / 4 / 2", 2),
        ("-amount + 1", -7),
        ("- -amount", 8),
        ("+amount", 8),
        ("-2 * -amount", 16),
        ("amount / income", 2),
        ("min(amount, income, 5)", 4),
        ("max(amount, income, 5)", 8),
        ("abs(balance)", 2),
        ("amount > 5", 1),
        ("amount >= 8", 1),
        ("amount < 8", 0),
        ("amount <= 8", 1),
        ("amount == 8", 1),
        ("amount != 8", 0),
        ("1 < income < amount", 1),
        ("1 < amount < income", 0),
        ("10 > amount > income > balance", 1),
        ("amount > 5 and income > 5", 0),
        ("amount > 5 or income > 5", 1),
        ("not amount > 5", 0),
        ("not amount > 5 or amount > 5", 1),
        ("amount > 9 and amount > 9 or amount > 5", 1),
        ("amount > 5 or amount > 9 and amount > 9", 1),
        ("(amount > 5 or amount > 9) and amount > 9", 0),
        ("amount in (8, 12)", 1),
        ("amount in [1, 2]", 0),
        ("amount not in {1, 2}", 1),
        ("balance in (-2, 2)", 1),
        ("housing == 'rent'", 1),
        ("'rent' == housing", 1),
        ('housing != "rent"', 0),
        ("housing in ('own', 'rent')", 1),
        ("housing not in ('own', 'rent')", 0),
        ("housing == past", 1),
        ("housing != past", 0),
        ("past == housing", 1),
        ("young", 1),
        ("not young", 0),
        ("young == (amount > 5)", 1),
        ("missing(income)", 0),
        ("missing(housing)", 0),
        ("0.1 + 0.2", 0.1 + 0.2),
        (" amount ", 8),
    ],
)
def test_expressions_mean_what_they_mean_in_python(source: str, expected: float) -> None:
    assert value(source) == expected
    columns = {name: np.array([each, each]) for name, each in ROW.items()}
    assert Expression(source, SCOPE).of_columns(columns, 2).tolist() == [expected, expected]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("income + 1", NAN),
        ("-income", NAN),
        ("abs(income)", NAN),
        ("income * 0", NAN),
        ("min(amount, income)", NAN),
        ("max(income, amount)", NAN),
        ("income > 5", NAN),
        ("income == income", NAN),
        ("income != income", NAN),
        ("1 < income < 0", NAN),
        ("10 < amount < income", 0),
        ("income in (1, 2)", NAN),
        ("income not in (1, 2)", NAN),
        ("housing == 'own'", NAN),
        ("housing != 'own'", NAN),
        ("housing in ('own', 'rent')", NAN),
        ("housing not in ('own', 'rent')", NAN),
        ("housing == past", NAN),
        ("not young", NAN),
        ("young and amount > 5", NAN),
        ("young and amount < 5", 0),
        ("amount < 5 and young", 0),
        ("young or amount > 5", 1),
        ("amount > 5 or young", 1),
        ("young or amount < 5", NAN),
        ("young or not young", NAN),
        ("young and not young", NAN),
        ("missing(income)", 1),
        ("missing(housing)", 1),
        ("missing(young)", 1),
        ("missing(amount)", 0),
        ("missing(income + amount)", 1),
        ("missing(income) or income > 5", 1),
        ("not missing(income) and income > 5", 0),
    ],
)
def test_the_result_is_missing_only_if_it_depends_on_a_missing_value(source: str, expected: float) -> None:
    expression = Expression(source, SCOPE)
    columns = {name: np.array([each]) for name, each in ALL_MISSING.items()}
    assert same_bits(expression.of_application(ALL_MISSING), expected)
    assert same_bits(expression.of_columns(columns, 1)[0], expected)
    assert expression.may_be_missing or not math.isnan(expected)


@pytest.mark.parametrize(
    "source", ["amount / (income - 4)", "0 / 0", "1 / -0.0", "amount / (balance - balance)", "1e299 * 1e299 * amount"]
)
def test_a_division_by_zero_or_an_overflow_is_missing(source: str) -> None:
    expression = Expression(source, SCOPE)
    assert math.isnan(expression.of_application(ROW))
    assert np.isnan(expression.of_columns({name: np.array([each]) for name, each in ROW.items()}, 1)).all()
    assert expression.may_be_missing


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("amount + wealth", [(10, "wealth is not known here")]),
        ("wealth / debts", [(1, "wealth is not known here"), (10, "debts is not known here")]),
        ("  wealth", [(3, "wealth is not known here")]),
        ("housing == 'für umme' and wealth > 1", [(27, "wealth is not known here")]),
        ("amount +", [(9, "is not valid syntax (invalid syntax)")]),
        ("(amount", [(1, "is not valid syntax ('(' was never closed)")]),
        ("", [(1, "is not valid syntax (invalid syntax)")]),
        ("amount\0", [(8, "is not valid syntax (source code string cannot contain null bytes)")]),
        ("amount ** 2", [(1, "only + - * / are part of the language")]),
        ("amount // 2", [(1, "only + - * / are part of the language")]),
        ("'\ud800'", [(1, "is not valid syntax")]),
        ("1e400", [(1, "the number is too large")]),
        ("1" * 400, [(1, "the number is too large")]),
        ("True", [(1, "True and False are not part of the language")]),
        ("None", [(1, "None is not part of the language")]),
        ("amount is income", [(1, "`is` is not part of the language; compare with == or use missing(x)")]),
        ("housing", [(1, "must be a number or a condition, not a text")]),
        ("'rent'", [(1, "must be a number or a condition, not a text")]),
        ("amount and young", [(1, "amount is not a condition")]),
        ("not amount", [(5, "amount is not a condition")]),
        ("young + 1", [(1, "young is not a number")]),
        ("(amount > 1) * 2", [(2, "amount > 1 is not a number")]),
        ("housing + 1", [(1, "housing is not a number")]),
        ("min(amount, housing)", [(13, "housing is not a number")]),
        ("housing > 'own'", [(1, "texts have no order; compare them with == != or in")]),
        ("housing == 1", [(1, "housing and 1 cannot be compared")]),
        ("amount == young", [(1, "amount and young cannot be compared")]),
        ("housing == 'boat'", [(12, "'boat' is not a value of housing")]),
        ("housing in ('own', 'boat')", [(12, "'boat' is not a value of housing")]),
        ("'own' == 'own'", [(10, "compares two fixed texts")]),
        ("amount in income", [(11, "`in` needs a list of fixed values, such as (12, 24)")]),
        ("amount in ()", [(11, "`in` needs a list of fixed values, such as (12, 24)")]),
        ("amount in (1, income)", [(11, "`in` needs a list of fixed values of the same type")]),
        ("amount in (1, -income)", [(11, "`in` needs a list of fixed values of the same type")]),
        ("amount in (1, 'own')", [(11, "`in` needs a list of fixed values of the same type")]),
        ("housing in ('own', past)", [(12, "`in` needs a list of fixed values of the same type")]),
        ("min(amount)", [(1, "min needs at least two arguments")]),
        ("max()", [(1, "max needs at least two arguments")]),
        ("abs(amount, income)", [(1, "abs needs one argument")]),
        ("missing()", [(1, "missing needs one argument")]),
        ("missing('own')", [(1, "missing needs a name")]),
        ("min(amount, key=income)", [(1, "min takes no named arguments")]),
        ("sqrt(amount)", [(1, "sqrt is not a function; use min, max, abs, missing")]),
        ("amount + " + "x" * 2000, [(1, "is longer than 2000 characters")]),
    ],
)
def test_an_error_has_its_column_and_reason(source: str, found: list[tuple[int, str]]) -> None:
    assert problems(source) == found


@pytest.mark.parametrize(
    "source",
    [
        "amount.real",
        "amount.__class__",
        "amount[0]",
        "(amount)(income)",
        "amount.conjugate()",
        "__import__('os')",
        "eval('1')",
        "print(amount)",
        "min.__call__(amount, income)",
        "_divide(amount, income)",
        "_table_0",
        "lambda: amount",
        "(lambda x: x)(amount)",
        "(wealth := amount)",
        "f'{amount}'",
        "f'own' == housing",
        "amount if young else income",
        "[amount]",
        "(amount, income)",
        "{amount: 1}",
        "{amount}",
        "[x for x in (1, 2)]",
        "min(x for x in (1, 2))",
        "min(*(1, 2))",
        "min(**{})",
        "amount in (*(1, 2),)",
        "await amount",
        "(yield amount)",
        "~amount",
        "amount % 2",
        "amount @ income",
        "amount & 1",
        "amount << 1",
        "1j",
        "b'own'",
        "...",
        "__builtins__",
        "__debug__ == 1",
        "amount; income",
        "amount = 1",
        "import os",
        "del amount",
        "amount\nincome",
    ],
)
def test_nothing_outside_of_the_language_is_accepted(source: str) -> None:
    assert problems(source)


@pytest.mark.parametrize(
    "source",
    [
        "(" * 900 + "amount" + ")" * 900,
        "-" * 1900 + "amount",
        "not " * 400 + "young",
        "+".join(["amount"] * 280),
        "amount[" + "-" * 1900 + "1]",
        "abs(" * 300 + "amount" + ")" * 300,
    ],
    ids=["parentheses", "signs", "negations", "a sum", "hidden in a subscript", "calls"],
)
def test_deep_nesting_is_an_error_and_not_a_crash(source: str) -> None:
    ((column, text),) = problems(source)
    assert column >= 1
    assert "nested" in text or "not part of the language" in text


def test_nested_chains_of_comparisons_are_refused_instead_of_taking_forever() -> None:
    source = "young"
    for _ in range(60):
        source = f"young == ({source}) == young"
    assert problems(source) == [(1, "is nested too deeply")]
    assert value("young == (young == (amount > 1) == young) == young") == 1


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("amount in (" + ",".join(map(str, range(500))) + ")", 1),
        ("amount not in (" + ",".join(["1"] * 900) + ")", 1),
        (" and ".join(["young"] * 200), 1),
        ("+".join(["amount"] * 150), 1200),
        ("<".join(["1", *["amount"] * 100]), 0),
    ],
    ids=["a list", "a longer list", "conditions", "a sum", "a chain"],
)
def test_long_expressions_are_accepted_and_not_deep(source: str, expected: float) -> None:
    def deep(levels: int) -> float:
        """Parse far down the stack, as in a service."""
        return deep(levels - 1) if levels else value(source)

    assert deep(300) == expected


def test_text_values_may_look_like_anything() -> None:
    odd = ("a'b", 'a"b', "__import__", "1 + 1", "\\", "\u2028")
    scope = {"odd": Operand("text", values=odd)}
    for code, text in enumerate(odd):
        assert Expression(f"odd == {text!r}", scope).of_application({"odd": code}) == 1


def test_an_expression_survives_pickling() -> None:
    expression = Expression("housing == 'rent' and amount / income > 1", SCOPE)
    copy = pickle.loads(pickle.dumps(expression))
    assert copy.source == expression.source
    assert copy.of_application(ROW) == expression.of_application(ROW) == 1


@pytest.mark.parametrize(
    ("source", "low", "high", "may_be_missing", "slopes"),
    [
        ("amount", 1, 1000, False, {"amount": 1}),
        ("-amount", -1000, -1, False, {"amount": -1}),
        ("amount + income", 1, 1500, True, {"amount": 1, "income": 1}),
        ("amount - income", -499, 1000, True, {"amount": 1, "income": -1}),
        ("amount - amount", -999, 999, False, {"amount": None}),
        ("2 * amount", 2, 2000, False, {"amount": 1}),
        ("-2 * amount", -2000, -2, False, {"amount": -1}),
        ("amount * balance", -100_000, 100_000, False, {"amount": None, "balance": 1}),
        ("balance * balance", -10_000, 10_000, False, {"balance": None}),
        ("income / amount", 0, 500, True, {"income": 1, "amount": -1}),
        ("amount / income", -math.inf, math.inf, True, {"amount": None, "income": None}),
        ("amount / max(income, 10)", 1 / 500, 100, True, {"amount": 1, "income": -1}),
        ("balance / amount", -100, 100, False, {"balance": 1, "amount": None}),
        ("min(amount, 50)", 1, 50, False, {"amount": 1}),
        ("max(amount, balance)", 1, 1000, False, {"amount": 1, "balance": 1}),
        ("abs(balance)", 0, 100, False, {"balance": None}),
        ("abs(balance - 200)", 100, 300, False, {"balance": -1}),
        ("abs(amount)", 1, 1000, False, {"amount": 1}),
        ("amount > 5", 0, 1, False, {"amount": 1}),
        ("amount < income", 0, 1, True, {"amount": -1, "income": 1}),
        ("5 >= amount", 0, 1, False, {"amount": -1}),
        ("amount == 5", 0, 1, False, {"amount": None}),
        ("amount in (1, 2)", 0, 1, False, {"amount": None}),
        ("not amount > 5", 0, 1, False, {"amount": -1}),
        ("amount > 5 and balance > 1", 0, 1, False, {"amount": 1, "balance": 1}),
        ("1 < amount < 5", 0, 1, False, {"amount": None}),
        ("housing == 'own'", 0, 1, True, {"housing": None}),
        ("missing(income)", 0, 1, False, {"income": None}),
        ("young", 0, 1, True, {"young": 1}),
        ("3", 3, 3, False, {}),
    ],
)
def test_bounds_and_slopes_are_those_of_the_formula(
    source: str, low: float, high: float, may_be_missing: bool, slopes: Mapping[str, int | None]
) -> None:
    expression = Expression(source, SCOPE)
    assert (expression.minimum, expression.maximum) == (low, high)
    assert expression.may_be_missing is may_be_missing
    assert expression.slopes == slopes


# Random expressions, by kind, as texts.
NUMBER_NAMES = ("amount", "income", "balance")


def numbers_of(inner: st.SearchStrategy[str], truths: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map("({0[0]} {0[1]} {0[2]})".format),
        inner.map("-({})".format),
        inner.map("abs({})".format),
        st.tuples(st.sampled_from(["min", "max"]), pairs).map("{0[0]}({0[1][0]}, {0[1][1]})".format),
        pairs.map("max({0[0]}, {0[1]}, 0)".format),
    )


LEAVES = st.sampled_from([*NUMBER_NAMES, "0", "1", "2.5", "-0.0", "100", "1e200"])
TEXT_CONDITIONS = st.sampled_from(
    [
        "housing == 'own'",
        "'rent' != housing",
        "housing in ('own', 'rent')",
        "housing not in ['own']",
        "housing == past",
        "past != housing",
        "missing(housing)",
        "young",
        "missing(young)",
    ]
)


def truths_of(numbers: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    comparisons = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    simple = st.one_of(
        st.tuples(numbers, comparisons, numbers).map("({0[0]} {0[1]} {0[2]})".format),
        st.tuples(numbers, comparisons, numbers, comparisons, numbers).map(
            "({0[0]} {0[1]} {0[2]} {0[3]} {0[4]})".format
        ),
        numbers.map("({} in (1, -2, 2.5))".format),
        numbers.map("({} not in (1, 0))".format),
        numbers.map("missing({})".format),
        TEXT_CONDITIONS.map("({})".format),
    )
    return st.recursive(
        simple,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map("({0[0]} {0[1]} {0[2]})".format),
            inner.map("(not {})".format),
            st.tuples(inner, st.sampled_from(["==", "!="]), inner).map("({0[0]} {0[1]} {0[2]})".format),
            inner.map("missing({})".format),
        ),
        max_leaves=4,
    )


NUMBERS = st.recursive(LEAVES, lambda inner: numbers_of(inner, st.nothing()), max_leaves=6)
EXPRESSIONS = NUMBERS | truths_of(NUMBERS)
ROWS = st.fixed_dictionaries(
    {
        "amount": st.floats(1, 1000) | st.integers(1, 1000).map(float),
        "income": st.just(NAN) | st.floats(0, 500) | st.sampled_from([0.0, 500.0, 2.5]),
        "balance": st.floats(-100, 100) | st.sampled_from([-0.0, 0.0, -2.0]),
        "young": st.sampled_from([NAN, 0.0, 1.0]),
        "housing": st.integers(-1, 2),
        "past": st.integers(0, 1),
    }
)


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS, st.lists(ROWS, min_size=1, max_size=8))
@example("min(balance, 0)", [ROW | {"balance": -0.0}, ROW | {"balance": 0.0}])
@example("0 * -amount", [ROW])
@example("1e200 * 1e200 > amount", [ROW])
def test_columns_and_single_applications_give_identical_bits_and_the_language_s_meaning(
    source: str, rows: list[dict[str, float]]
) -> None:
    expression = Expression(source, SCOPE)
    columns = columns_of(rows)
    together = expression.of_columns(columns, len(rows))
    assert together.shape == (len(rows),)
    assert together.dtype == np.float64
    for row, found in zip(rows, together.tolist(), strict=True):
        alone = expression.of_application(row)
        assert same_bits(found, alone)
        expected = Reference(SCOPE, row).value(source)
        assert math.isnan(alone) if expected is None else alone == expected


@settings(max_examples=400, deadline=None)
@given(st.lists(truths_of(NUMBERS), max_size=4), st.lists(ROWS, min_size=1, max_size=8))
def test_the_first_match_is_the_first_condition_that_is_true(sources: list[str], rows: list[dict[str, float]]) -> None:
    conditions = [Expression(source, SCOPE) for source in sources]
    matching = FirstMatch(sources, SCOPE)
    columns = columns_of(rows)
    together = matching.of_columns(columns, len(rows))
    assert together.dtype == np.int8
    for row, found in zip(rows, together.tolist(), strict=True):
        truths = [condition.of_application(row) for condition in conditions]
        assert found == matching.of_application(row) == (truths.index(1.0) if 1.0 in truths else -1)


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS, ROWS)
def test_bounds_contain_every_value(source: str, row: dict[str, float]) -> None:
    expression = Expression(source, SCOPE)
    found = expression.of_application(row)
    if math.isnan(found):
        assert expression.may_be_missing
    elif not math.isnan(expression.maximum - expression.minimum):
        assert expression.minimum <= found <= expression.maximum


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS, ROWS, st.floats(0, 1), st.sampled_from(NUMBER_NAMES))
def test_values_move_as_the_slopes_say(source: str, row: dict[str, float], share: float, name: str) -> None:
    expression = Expression(source, SCOPE)
    slope = expression.slopes.get(name, 0)
    if slope is None or math.isnan(row[name]):
        return
    larger = row | {name: row[name] + share * (SCOPE[name].maximum - row[name])}
    before, after = expression.of_application(row), expression.of_application(larger)
    if not (math.isnan(before) or math.isnan(after)):
        assert (after - before) * slope >= 0
        assert slope or after == before


@settings(max_examples=300)
@given(
    st.text(max_size=40)
    | st.text("amount.housing()[]{}+-*/<>=!&|,:'\" 0123456789", max_size=30)
    | st.lists(
        st.sampled_from(["amount", "housing", "(", ")", "and", "==", "'own'", "lambda", ":", "[", "]", ".", ","])
    ).map(" ".join)
)
def test_any_text_is_either_an_expression_or_an_error(source: str) -> None:
    try:
        expression = Expression(source, SCOPE)
    except ExpressionError:
        return
    assert isinstance(expression.of_application(ROW), float)


def columns_of(rows: list[dict[str, float]]) -> dict[str, NDArray[Any]]:
    return {
        name: np.array([row[name] for row in rows], np.int8 if operand.kind == "text" else np.float64)
        for name, operand in SCOPE.items()
    }


def same_bits(one: float, other: float) -> bool:
    return struct.pack("d", one) == struct.pack("d", other)
