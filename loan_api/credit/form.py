"""The application form: one immutable value from which everything about an application is derived.

`parse_form` reads it from the text of a `features.toml` and reports every error by key. The dataset reader, request
schemas, decoders, OpenAPI document, model signature, bins, simulation and documentation receive a `Form` as argument.
"""

import hashlib
import json
import keyword
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from loan_api.credit.expressions import FUNCTIONS, Expression, ExpressionError, Operand
from loan_api.credit.features import CategoryFeature, DerivedFeature, Feature, Group, NumberFeature
from loan_api.credit.toml_tables import WORD, Problem, Table, TomlError, is_number, parse_toml, read_text

# Codes of categories are int8, and each value is a label of metrics.
MOST_VALUES = 127
_MOST_FEATURES = 200
_LONGEST_NAME = 64
# A server hands the text to its processes in an environment variable, which Linux limits to 128 KiB.
_MOST_CHARACTERS = 30_000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Columns of exports, fields of answers, and the attribute of schemas that cannot be a field.
_RESERVED = frozenset(
    {
        "Meta",
        *("decision_id", "endpoint", "request_id", "decided_at", "model_name", "registry_version", "model_version"),
        *("threshold", "probability", "prediction", "outcome", "row_id", "decision", "rule", "policy_version"),
    }
)
# A range this wide is an order of magnitude rather than a scale.
_WIDE = 1000
_SIGNS: Mapping[str, int] = {"increasing": 1, "decreasing": -1}


class FormError(TomlError):
    """A form is not valid. `problems` holds every error found."""


@dataclass(frozen=True)
class OutcomeColumn:
    """The column of the dataset with the outcome, and the texts in it that mean approved and rejected."""

    column: str
    approved: tuple[str, ...]
    rejected: tuple[str, ...]


@dataclass(frozen=True)
class DatasetRules:
    """How to read a dataset: its identifier, if any, columns that are not features, and texts that mean missing."""

    identifier: str | None
    ignored: tuple[str, ...]
    missing: frozenset[str]


@dataclass(frozen=True, eq=False)
class Form:
    """A lender's application form. `text` is its source.

    The order of `features` is the order of columns everywhere. Derived features may use those before them.
    """

    name: str
    title: str
    outcome: OutcomeColumn
    dataset: DatasetRules
    features: tuple[Feature, ...]
    derived: tuple[DerivedFeature, ...]
    text: str

    def __reduce__(self) -> tuple[Callable[[str], "Form"], tuple[str]]:
        """Support pickling by parsing the text again."""
        return parse_form, (self.text,)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the names of the features, in order."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def numbers(self) -> tuple[NumberFeature, ...]:
        """Return the number features, in order."""
        return tuple(feature for feature in self.features if isinstance(feature, NumberFeature))

    @cached_property
    def categories(self) -> tuple[CategoryFeature, ...]:
        """Return the category features, in order."""
        return tuple(feature for feature in self.features if isinstance(feature, CategoryFeature))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Return the groups of features, in the order of their first features.

        A group's reason is the first text among its features, otherwise its name in words. Derived features belong to
        the groups of the features that they are computed from.
        """
        names = dict.fromkeys(feature.group for feature in self.features)
        members = {name: [feature for feature in self.features if feature.group == name] for name in names}
        return tuple(
            Group(
                name,
                tuple(feature.name for feature in features),
                next((feature.reason for feature in features if feature.reason), name.replace("_", " ").capitalize()),
            )
            for name, features in members.items()
        )

    @cached_property
    def codes(self) -> Mapping[str, Mapping[str | None, int]]:
        """Map each category's values to their positions, and None to -1 if it is optional."""
        return {
            category.name: {value: code for code, value in enumerate(category.values)}
            | ({None: -1} if category.optional else {})
            for category in self.categories
        }

    @cached_property
    def constraints(self) -> Mapping[str, int]:
        """Map each number and derived feature to the direction in which the approval probability may move with it.

        1 is increasing, -1 decreasing, 0 unconstrained. A derived feature without an effect takes over those of the
        features that it is computed from. Features of `unconstrainable` are left out.
        """
        return {name: sign for name, sign in self._signs.items() if sign is not None}

    @cached_property
    def unconstrainable(self) -> tuple[str, ...]:
        """Return the derived features that would undermine an effect, because they do not move in one direction."""
        return tuple(name for name, sign in self._signs.items() if sign is None)

    @cached_property
    def _signs(self) -> Mapping[str, int | None]:
        signs: dict[str, int | None] = {
            number.name: _SIGNS[number.effect] if number.effect else 0 for number in self.numbers
        }
        raw = dict(signs)
        for derived in self.derived:
            slopes = self._slopes(derived)
            wanted = {sign * slope if slope else None for name, slope in slopes.items() if (sign := raw.get(name))}
            own = {_SIGNS[derived.effect]} if derived.effect else set()
            found = own | wanted
            signs[derived.name] = found.pop() if len(found) == 1 else None if found else 0
        return signs

    def _slopes(self, derived: DerivedFeature) -> Mapping[str, int | None]:
        """Return the direction in which a derived feature moves with each feature that it is computed from."""
        by_name = {each.name: each for each in self.derived}
        slopes: dict[str, int | None] = {}
        for name, slope in derived.formula.slopes.items():
            inner = self._slopes(by_name[name]) if name in by_name else {name: 1}
            for raw, own in inner.items():
                through = own * slope if own and slope else None
                slopes[raw] = through if slopes.get(raw, through) == through else None
        return slopes

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 (hex) of the features' meaning: names, order, types, units, ranges and allowed values.

        Two forms with the same digest accept the same applications. Texts, bins, effects, groups and formulas do not
        affect it.
        """
        meaning = [_meaning(feature) for feature in self.features]
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()

    @cached_property
    def scope(self) -> Mapping[str, Operand]:
        """Return the features and derived features as names in expressions."""
        return {each.name: each.operand for each in (*self.features, *self.derived)}

    def example(self) -> dict[str, Any]:
        """Return a valid application consisting of the features' examples."""
        return {feature.name: feature.example for feature in self.features}

    def derivation(self) -> str:
        """Return everything that a pipeline needs to derive features, as JSON (see `loan_api.credit.derivation`)."""
        numbers = {
            number.name: {"minimum": number.minimum, "maximum": number.maximum, "optional": number.optional}
            for number in self.numbers
        }
        categories = {
            category.name: {
                "values": list(category.values),
                "folds": dict(category.folds),
                "optional": category.optional,
            }
            for category in self.categories
        }
        formulas = {derived.name: derived.formula.source for derived in self.derived}
        return json.dumps({"numbers": numbers, "categories": categories, "formulas": formulas})


def _meaning(feature: Feature) -> dict[str, Any]:
    meaning: dict[str, Any] = {"name": feature.name}
    if isinstance(feature, CategoryFeature):
        meaning |= {"values": feature.values, "folds": feature.folds}
    else:
        # However they are spelled, 1 and 1.0 are the same limit.
        limits = {
            name: int(limit) if limit == int(limit) else limit
            for name, limit in (("minimum", feature.minimum), ("maximum", feature.maximum))
        }
        meaning |= {"unit": feature.unit, "whole": feature.whole, **limits}
    # Forms without optional features keep the digests from before there were any.
    return meaning | ({"optional": True} if feature.optional else {})


def read_form(path: Path) -> Form:
    """Read a form from a file. Raises FormError if it is invalid or unreadable."""
    return parse_form(read_text(path, FormError))


def parse_form(text: str) -> Form:
    """Parse and validate the text of a form. Raises FormError with every error by key."""
    content = parse_toml(text, _MOST_CHARACTERS, FormError)
    problems: list[Problem] = []
    root = Table(content, "", problems)
    form = root.table("form")
    name = form.text("name", pattern=WORD, expected="letters, digits and _")
    title = form.text("title", default=name.replace("_", " ").capitalize())
    form.end()
    outcome = _outcome(root.table("outcome"))
    dataset = _dataset(root.table("dataset", required=False))
    tables = root.tables("features")
    features = _features(tables, problems)
    derived = _derived(root.tables("derived", required=False), features, tables)
    root.end()
    problems += _contradictions(outcome, dataset, features)
    if problems:
        raise FormError(problems)
    made = Form(name, title, outcome, dataset, features, derived, text)
    problems += _conflicting_effects(made)
    if problems:
        raise FormError(problems)
    return made


def _outcome(table: Table) -> OutcomeColumn:
    column = table.text("column")
    # Cells are read without the spaces around them.
    approved, rejected = (
        tuple(value.strip() for value in table.texts(name, one_is_enough=True)) for name in ("approved", "rejected")
    )
    for name, values in (("approved", approved), ("rejected", rejected)):
        if not all(values):
            table.wrong(name, "must not be empty")
    if both := [value for value in approved if value in rejected]:
        table.wrong("rejected", f"repeats {both[0]!r}, which means approved")
    table.end()
    return OutcomeColumn(column, approved, rejected)


def _dataset(table: Table) -> DatasetRules:
    identifier = table.text("identifier", default="") or None
    ignored = table.texts("ignored", ())
    missing = table.texts("missing", ("",))
    table.end()
    return DatasetRules(identifier, ignored, frozenset(text.strip() for text in missing) | {""})


def _check_name(name: str, table: Table, taken: Mapping[str, Any]) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or len(name) > _LONGEST_NAME:
        table.wrong(
            "",
            f"the name must start with a letter, consist of letters, digits and _, have at most {_LONGEST_NAME}"
            " characters, and not be a word of Python",
        )
    elif name in FUNCTIONS or name in _RESERVED:
        table.wrong("", "the name is reserved; choose another one, and rename the column of the dataset")
    elif name in taken:
        table.wrong("", "the name is taken by a feature")


def _features(tables: Mapping[str, Table], problems: list[Problem]) -> tuple[Feature, ...]:
    features: dict[str, Feature] = {}
    if len(tables) > _MOST_FEATURES:
        problems.append(Problem("features", f"has {len(tables)} features; at most {_MOST_FEATURES} are supported"))
    for name, table in tables.items():
        _check_name(name, table, {})
        kind = table.choice("type", ("integer", "number", "category"), required=True)
        shared: dict[str, Any] = {
            "name": name,
            "description": table.text("description"),
            "optional": table.flag("optional"),
            "group": table.text("group", default=name, pattern=WORD, expected="letters, digits and _"),
            "reason": table.text("reason", default="") or None,
            "actionable": table.flag("actionable"),
        }
        if kind is None:
            continue
        features[name] = _category(table, shared) if kind == "category" else _number(table, shared, kind == "integer")
        table.end()
    return tuple(features.values())


def _number(table: Table, shared: Mapping[str, Any], whole: bool) -> NumberFeature:
    unit = table.text("unit", default="")
    minimum, maximum = (table.number(name, whole=whole) for name in ("minimum", "maximum"))
    low, high = minimum if minimum is not None else 0, maximum if maximum is not None else 1
    if minimum is not None and maximum is not None and low >= high:
        table.wrong("maximum", f"must be greater than the minimum, {low:.15g}")
        high = low + 1
    example = table.number("example", whole=whole, required=False)
    if example is not None and None not in (minimum, maximum) and not low <= example <= high:
        table.wrong("example", f"must lie between {low:.15g} and {high:.15g}")
    effect: Any = table.choice("effect", tuple(_SIGNS))
    return NumberFeature(
        **shared,
        unit=unit,
        minimum=low,
        maximum=high,
        example=_typical(low, high, whole) if example is None else example,
        bins=_bins(table),
        whole=whole,
        effect=effect,
    )


def _bins(table: Table) -> tuple[float, ...] | None:
    edges = table.take("bins")
    if edges is None:
        return None
    if not isinstance(edges, list) or not all(map(is_number, edges)):
        table.wrong("bins", "must be a list of numbers from -1e30 to 1e30")
    elif len(edges) < 2 or any(low >= high for low, high in pairwise(edges)):  # noqa: PLR2004
        table.wrong("bins", "must be at least two ascending edges")
    else:
        return tuple(edges)
    return None


def _typical(low: float, high: float, whole: bool) -> float:
    """Return a number that is neither extreme: the middle, or the geometric middle of a wide range."""
    middle = math.sqrt(low * high) if low > 0 and high / low > _WIDE else (low + high) / 2
    return round(middle) if whole else float(f"{middle:.3g}") if low <= float(f"{middle:.3g}") <= high else middle


def _category(table: Table, shared: Mapping[str, Any]) -> CategoryFeature:
    values = table.texts("values")
    if any(value != value.strip() or not value or not value.isprintable() for value in values):
        table.wrong("values", "must be printable texts without spaces around them")
    elif len(values) == 1 or len(values) > MOST_VALUES:
        table.wrong("values", f"must be 2 to {MOST_VALUES} texts; there are {len(values)}")
    folds = table.take("folds") or {}
    if not isinstance(folds, dict):
        table.wrong("folds", "must be a table of values")
        folds = {}
    for value, stand_in in folds.items():
        if value not in values or stand_in not in values:
            table.wrong(f"folds.{value}", "must map one of the values onto another one")
        elif stand_in in folds:
            table.wrong(f"folds.{value}", f"must not map onto {stand_in!r}, which is folded itself")
    example = table.choice("example", values) if values else table.take("example")
    for name in ("unit", "minimum", "maximum", "bins", "effect"):
        if table.take(name) is not None:
            table.wrong(name, "does not apply to a category")
    kept = [value for value in values if value not in folds]
    return CategoryFeature(**shared, values=values, example=example or (kept[0] if kept else ""), folds=dict(folds))


def _derived(
    tables: Mapping[str, Table], features: Sequence[Feature], declared: Collection[str]
) -> tuple[DerivedFeature, ...]:
    scope = {feature.name: feature.operand for feature in features}
    # Declared with errors. What formulas say about them is not another error.
    broken = set(declared) - {name for name, operand in scope.items() if operand.kind != "text" or operand.values}
    derived = []
    for name, table in tables.items():
        _check_name(name, table, scope)
        description = table.text("description")
        group = table.text("group", default=name, pattern=WORD, expected="letters, digits and _")
        effect: Any = table.choice("effect", tuple(_SIGNS))
        source = table.text("formula")
        table.end()
        try:
            formula = Expression(source, scope) if source else None
        except ExpressionError as error:
            formula = None
            for problem in error.problems if broken.isdisjoint(WORD.findall(source)) else ():
                table.wrong("formula", f"column {problem.column}: {problem.text}")
        if formula is not None and not formula.slopes:
            table.wrong("formula", "uses no feature")
        if formula is None:
            broken.add(name)
            continue
        made = DerivedFeature(name=name, description=description, formula=formula, group=group, effect=effect)
        scope[name] = made.operand
        derived.append(made)
    return tuple(derived)


def _contradictions(outcome: OutcomeColumn, dataset: DatasetRules, features: Sequence[Feature]) -> list[Problem]:
    """Return the columns that have two roles, and the texts that have two meanings."""
    names = {feature.name for feature in features}
    problems = []
    if outcome.column in names:
        problems.append(Problem("outcome.column", f"{outcome.column} is also a feature: the model would know it"))
    if dataset.identifier in names:
        problems.append(Problem("dataset.identifier", f"{dataset.identifier} is also a feature"))
    if dataset.identifier is not None and dataset.identifier == outcome.column:
        problems.append(Problem("dataset.identifier", f"{dataset.identifier} is also the outcome"))
    for column in dataset.ignored:
        role = "a feature" if column in names else "the outcome" if column == outcome.column else None
        if column == dataset.identifier:
            role = "the identifier"
        if role is not None:
            problems.append(Problem("dataset.ignored", f"{column} is also {role}"))
    for feature in features:
        values = feature.values if isinstance(feature, CategoryFeature) else ()
        problems += [
            Problem("dataset.missing", f"{value!r} is also a value of {feature.name}")
            for value in values
            if value and value in dataset.missing
        ]
    return problems


def _conflicting_effects(form: Form) -> list[Problem]:
    return [
        Problem(
            f"derived.{derived.name}.effect",
            "contradicts the effects of the features in its formula: with them it does not always move the approval"
            " probability in this direction",
        )
        for derived in form.derived
        if derived.effect and derived.name in form.unconstrainable
    ]
