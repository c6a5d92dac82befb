"""The parts of an application form: the features of an application, and those derived from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from loan_api.credit.expressions import Expression, Operand

Effect = Literal["increasing", "decreasing"]


@dataclass(frozen=True, kw_only=True)
class _Declared:
    """The declarations that all features share.

    An `optional` feature may be missing. `group` is the name under which reasons mention it, `reason` their text for
    the applicant; an applicant can change an `actionable` one.
    """

    name: str
    description: str
    optional: bool = False
    group: str
    reason: str | None = None
    actionable: bool = False


@dataclass(frozen=True, kw_only=True)
class NumberFeature(_Declared):
    """A number from `minimum` to `maximum` inclusive, in `unit`; `whole` if fractions make no sense.

    `bins` are the edges of the intervals in which its distribution is counted; None for the deciles of the training
    data. `effect` is the direction in which the approval probability may move with it, all else equal.
    """

    unit: str
    minimum: float
    maximum: float
    example: float
    bins: tuple[float, ...] | None = None
    whole: bool = False
    effect: Effect | None = None

    @property
    def expectation(self) -> str:
        """Describe valid values in words that are safe to show to anyone."""
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.minimum:.15g} to {self.maximum:.15g}"

    @property
    def operand(self) -> Operand:
        """Return the feature as a name in expressions."""
        return Operand("number", float(self.minimum), float(self.maximum), optional=self.optional)


@dataclass(frozen=True, kw_only=True)
class CategoryFeature(_Declared):
    """One of `values`. `folds` maps values that the model does not distinguish onto those that replace them."""

    values: tuple[str, ...]
    example: str
    folds: Mapping[str, str] = field(default_factory=dict)

    @property
    def trained_values(self) -> tuple[str, ...]:
        """Return the values that the model distinguishes."""
        return tuple(value for value in self.values if value not in self.folds)

    @property
    def expectation(self) -> str:
        """Describe valid values in words that are safe to show to anyone."""
        return f"one of {', '.join(self.values)}"

    @property
    def operand(self) -> Operand:
        """Return the feature as a name in expressions."""
        return Operand("text", values=self.values, optional=self.optional)


Feature = NumberFeature | CategoryFeature


@dataclass(frozen=True, kw_only=True)
class DerivedFeature:
    """A number computed from an application; a condition counts as 1 or 0."""

    name: str
    description: str
    formula: Expression
    group: str
    effect: Effect | None = None

    @property
    def operand(self) -> Operand:
        """Return the feature as a name in expressions."""
        formula = self.formula
        return Operand(formula.kind, formula.minimum, formula.maximum, optional=formula.may_be_missing)


@dataclass(frozen=True)
class Group:
    """Features that share one reason, and its text for the applicant."""

    name: str
    features: tuple[str, ...]
    reason: str


def describe(feature: Feature) -> dict[str, Any]:
    """Return the declaration as plain values, for JSON."""
    described: dict[str, Any] = {
        "name": feature.name,
        "description": feature.description,
        "group": feature.group,
        "optional": feature.optional,
        "actionable": feature.actionable,
    }
    if isinstance(feature, CategoryFeature):
        return described | {"type": "category", "allowed_values": list(feature.values)}
    return described | {
        "type": "integer" if feature.whole else "number",
        "unit": feature.unit,
        "minimum": feature.minimum,
        "maximum": feature.maximum,
        "effect": feature.effect,
    }
