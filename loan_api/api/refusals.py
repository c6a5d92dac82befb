"""Why a request's content is refused: texts that name no value, each with a reason that metrics can count."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from loan_api.credit.features import FEATURE_NAMES

UNKNOWN = "unknown"
_LABELS = frozenset((*FEATURE_NAMES, "instances", "body"))
_SHOWN_AT_MOST = 100
_SHOWN_NAME_LENGTH = 64


class Refusal(str):
    """A message for the client that carries its reason: missing, unknown, null, type, range or not_allowed."""

    reason: str

    def __new__(cls, text: str, reason: str) -> Self:
        """The text as given."""
        refusal = super().__new__(cls, text)
        refusal.reason = reason
        return refusal

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]  # str's own takes the text alone
        """For copies, which schemas make of their messages."""
        return (str(self), self.reason)


@dataclass(frozen=True)
class RefusedField:
    """One refusal and where it lies, as a path of names and positions."""

    path: tuple[str | int, ...]
    refusal: Refusal

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer (RFC 6901); names that are too long to be ours are cut."""
        return "".join(f"/{_escape(str(step)[:_SHOWN_NAME_LENGTH])}" for step in self.path)

    @property
    def label(self) -> str:
        """The field for metrics: a declared name, `instances` for a row, `body`; any other is `unknown`."""
        name = next((step for step in reversed(self.path) if isinstance(step, str)), "body")
        return name if name in _LABELS else UNKNOWN


class RequestRefusedError(Exception):
    """The request's content is not valid."""

    def __init__(self, messages: Any) -> None:
        super().__init__("the request is not valid")
        self.fields = list(_flatten(messages, ()))

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        """How often each (field label, reason) was refused."""
        return dict(Counter((field.label, field.refusal.reason) for field in self.fields))

    @property
    def shown(self) -> list[dict[str, str]]:
        """The first of the errors, as problem details list them."""
        return [{"pointer": field.pointer, "detail": str(field.refusal)} for field in self.fields[:_SHOWN_AT_MOST]]

    @property
    def detail(self) -> str:
        """How many there are, and whether all are shown."""
        count = len(self.fields)
        found = f"{count} error{'s' if count != 1 else ''} in the request"
        return f"{found}; the first {_SHOWN_AT_MOST} are listed." if count > _SHOWN_AT_MOST else f"{found}."


def _flatten(messages: Any, path: tuple[str | int, ...]) -> Iterator[RefusedField]:
    """Marshmallow's nested messages as a flat list; `_schema` stands for the object itself."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _flatten(inner, path if key == "_schema" else (*path, key))
    else:
        for message in messages:
            refusal = message if isinstance(message, Refusal) else Refusal(str(message), "type")
            yield RefusedField(path, refusal)


def _escape(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
