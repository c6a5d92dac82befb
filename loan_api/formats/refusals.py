"""Reasons for refusing a request's content, countable by metrics, with texts that quote no value."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

UNKNOWN = "unknown"
# The labels of metrics that are not features.
_PLACES = ("body", "instances")
# Every reason that a metric can carry.
REASONS = ("missing", "unknown", "null", "type", "range", "not_allowed")
_SHOWN_AT_MOST = 100
_SHOWN_NAME_LENGTH = 64


class Refusal(str):
    """A message for the client that carries its reason: missing, unknown, null, type, range or not_allowed."""

    reason: str

    def __new__(cls, text: str, reason: str) -> Self:
        """Attach the reason to the text."""
        refusal = super().__new__(cls, text)
        refusal.reason = reason
        return refusal

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]  # str's own takes the text alone
        """Support copies, which schemas make of their messages."""
        return (str(self), self.reason)


@dataclass(frozen=True)
class RefusedField:
    """One refusal and its place, as a path of names and positions."""

    path: tuple[str | int, ...]
    refusal: Refusal

    @property
    def pointer(self) -> str:
        """Return the path as a JSON pointer (RFC 6901), with names longer than any declared one cut."""
        return "".join(f"/{_escape(str(step)[:_SHOWN_NAME_LENGTH])}" for step in self.path)

    def label(self, names: Collection[str]) -> str:
        """Return the field for metrics: one of `names`, `instances` for a row, `body`, or `unknown` for any other."""
        name = next((step for step in reversed(self.path) if isinstance(step, str)), "body")
        return name if name in names or name in _PLACES else UNKNOWN


@dataclass(frozen=True)
class Refusals:
    """All errors in a request: their number, counts by (field label, reason), and the first ones in full."""

    total: int
    counts: Mapping[tuple[str, str], int]
    shown: Sequence[Mapping[str, str]]

    @classmethod
    def of(cls, messages: Any, names: Collection[str]) -> Self:
        """Collect the errors in marshmallow's nested messages; `names` are those of the features."""
        fields = list(_flatten(messages, ()))
        return cls(
            total=len(fields),
            counts=dict(Counter((field.label(names), field.refusal.reason) for field in fields)),
            shown=[{"pointer": field.pointer, "detail": str(field.refusal)} for field in fields[:_SHOWN_AT_MOST]],
        )

    @property
    def detail(self) -> str:
        """A sentence with the number of errors; it says if only some are listed."""
        found = f"{self.total} error{'s' if self.total != 1 else ''} in the request"
        return f"{found}; the first {_SHOWN_AT_MOST} are listed." if self.total > _SHOWN_AT_MOST else f"{found}."


def field_labels(names: Collection[str]) -> Sequence[str]:
    """Return every field label that a metric can carry; `names` are those of the features."""
    return [*sorted([*names, *_PLACES]), UNKNOWN]


class RequestRefusedError(Exception):
    """The request's content is not valid."""

    def __init__(self, refusals: Refusals) -> None:
        super().__init__("the request is not valid")
        self.refusals = refusals


class MalformedBodyError(Exception):
    """The body is not in the declared format; the text quotes no value."""


def _flatten(messages: Any, path: tuple[str | int, ...]) -> Iterator[RefusedField]:
    """Flatten marshmallow's nested messages; `_schema` stands for the object itself."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _flatten(inner, path if key == "_schema" else (*path, key))
    else:
        for message in messages:
            refusal = message if isinstance(message, Refusal) else Refusal(str(message), "type")
            yield RefusedField(path, refusal)


def _escape(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
