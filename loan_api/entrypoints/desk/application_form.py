"""The application form as people fill it in: groups of fields, and the values that they enter."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from loan_api.credit.features import CategoryFeature, Feature, NumberFeature
from loan_api.credit.form import Form
from loan_api.entrypoints.desk.wording import label_and_help, number, spaced, words
from loan_api.formats.refusals import Refusals

# Digits, possibly in groups as people write them: 1 200 000, 1,200,000, 12,00,000, 1'200'000.
_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{2,3})*,\d{3})(\.\d*)?([eE][+-]?\d{1,3})?", re.ASCII)
_SPACES = re.compile(r"[\s'\u2019]")
# Python refuses to convert thousands of digits to an integer. As a float, so long a number is infinite, thus refused.
_MOST_DIGITS = 400
# Separates the fields of features from those of the page itself, such as the token.
_PREFIX = "f-"


@dataclass(frozen=True)
class Field:
    """A field with its texts, the value to show in it, and the error in that value."""

    name: str
    label: str
    help: str
    hint: str
    unit: str
    options: Sequence[str] | None
    is_optional: bool
    value: str
    error: str | None

    @property
    def input(self) -> str:
        """The name of the input."""
        return f"{_PREFIX}{self.name}"


@dataclass(frozen=True)
class Group:
    """The fields of one group of the form."""

    title: str
    fields: Sequence[Field]


def example_values(form: Form) -> Mapping[str, str]:
    """Return the example of every feature as text."""
    return {
        feature.name: feature.example if isinstance(feature, CategoryFeature) else number(feature.example)
        for feature in form.features
    }


def entered_values(form: Form, submitted: Mapping[str, str]) -> Mapping[str, str]:
    """Return what was entered in the field of every feature."""
    return {name: submitted.get(f"{_PREFIX}{name}", "") for name in form.names}


def application_of(form: Form, entered: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the application as a client of the API would send it. Nothing is checked: the codec finds every error."""
    values = {feature.name: _value(feature, entered[feature.name]) for feature in form.features}
    return {name: value for name, value in values.items() if value is not None}


def errors_by_field(refusals: Refusals) -> Mapping[str, str]:
    """Return the message for each field that was refused."""
    return {str(each["pointer"]).removeprefix("/"): spaced(each["detail"]) for each in refusals.shown}


def groups_of(form: Form, values: Mapping[str, str], errors: Mapping[str, str]) -> Sequence[Group]:
    """Return the fields with these values and errors, by the form's groups in the order of their first features."""
    places = {group: place for place, group in reversed(list(enumerate(feature.group for feature in form.features)))}
    features = sorted(form.features, key=lambda feature: places[feature.group])
    return [
        Group(words(group), [_field(feature, values[feature.name], errors.get(feature.name)) for feature in members])
        for group, members in groupby(features, key=lambda feature: feature.group)
    ]


def _field(feature: Feature, value: str, error: str | None) -> Field:
    label, help_text = label_and_help(feature.description)
    unit = hint = ""
    if isinstance(feature, NumberFeature):
        unit = feature.unit
        kind = "Whole number from" if feature.whole else "From"
        hint = f"{kind} {number(feature.minimum)} to {number(feature.maximum)}"
    return Field(
        name=feature.name,
        label=label,
        help=help_text,
        hint=hint,
        unit=unit,
        options=feature.values if isinstance(feature, CategoryFeature) else None,
        is_optional=feature.optional,
        value=value,
        error=error,
    )


def _value(feature: Feature, text: str) -> Any:
    """Return the value of a text: None if it is empty, and the text itself if it is not a number."""
    if isinstance(feature, CategoryFeature):
        return text or None
    stripped = _SPACES.sub("", text).replace("−", "-")
    if not stripped:
        return None
    if not _NUMBER.fullmatch(stripped):
        return text
    plain = stripped.replace(",", "")
    is_whole = plain.lstrip("+-").isdigit() and len(plain) <= _MOST_DIGITS
    return int(plain) if is_whole else float(plain)
