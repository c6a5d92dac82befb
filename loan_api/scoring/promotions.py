"""Changes of the version in Production: events that training stores as tags of the registered model."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, Self

_PREFIX = "production/"

Action = Literal["promote", "rollback", "found"]


@dataclass(frozen=True)
class Event:
    """A version entered Production at `at` (UTC). `found` marks a change made elsewhere and noticed later.

    An event is stored before the change and marked as `done` after it.
    """

    at: datetime
    action: Action
    version: str
    semantic_version: str
    by: str
    done: bool = False

    @property
    def key(self) -> str:
        """Return the name of the event's tag. Names sort chronologically."""
        return f"{_PREFIX}{self.at.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}"

    @property
    def tag(self) -> str:
        """Return the value of the event's tag."""
        return json.dumps(asdict(self) | {"at": self.at.isoformat()})

    @classmethod
    def of_tag(cls, tag: str) -> Self | None:
        """Parse a tag's value; None if it was edited beyond recognition: a lost event must not prevent a rollback."""
        try:
            event = json.loads(tag)
            return cls(**event | {"at": datetime.fromisoformat(event["at"])})
        except (ValueError, TypeError, KeyError):
            return None


def events_of(tags: Mapping[str, str]) -> list[Event]:
    """Return the events among the tags of a registered model, oldest first."""
    events = [Event.of_tag(value) for key, value in tags.items() if key.startswith(_PREFIX)]
    return sorted((event for event in events if event is not None), key=lambda event: event.at)
