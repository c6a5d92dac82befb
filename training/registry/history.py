"""The history of Production: its versions and their periods.

Every change is an event, stored as a tag of the registered model. It is written before the change and marked as done
after it, so that an interrupted change can be recognised and completed or undone.
"""

import getpass
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from loan_api.scoring.promotions import Action, Event, events_of
from training.registry.versions import semantic_version


def new_event(action: Action, version: ModelVersion, previous: Sequence[Event], at: datetime | None = None) -> Event:
    """Create an event by the current user, now or at the time given, but always after the previous events.

    Events are ordered by time, and the clock may have been set back.
    """
    at = at or datetime.now(UTC)
    return Event(
        at=max(at, previous[-1].at + timedelta(microseconds=1)) if previous else at,
        action=action,
        version=str(version.version),
        semantic_version=semantic_version(version),
        by=_user(),
    )


def read_events(client: MlflowClient, name: str) -> list[Event]:
    """Return all events, oldest first; an empty list if the model is not registered."""
    try:
        tags = client.get_registered_model(name).tags
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return []
    return events_of(tags)


def write_event(client: MlflowClient, name: str, event: Event) -> None:
    """Store the event, replacing its earlier state."""
    client.set_registered_model_tag(name, event.key, event.tag)


def mark_done(client: MlflowClient, name: str, event: Event) -> None:
    """Record that the event's change has been made."""
    write_event(client, name, replace(event, done=True))


def drop_event(client: MlflowClient, name: str, event: Event) -> None:
    """Delete an event whose change was never made."""
    client.delete_registered_model_tag(name, event.key)


def standing(events: Sequence[Event]) -> list[str]:
    """Return the stack of registry versions that rollbacks walk back through; the one in Production is last.

    A promotion pushes a version. A rollback removes the top version, including its earlier occurrences.
    """
    stack: list[str] = []
    for event in events:
        if event.action == "rollback" and stack:
            stack = [version for version in stack if version != stack[-1]]
        if not stack or stack[-1] != event.version:
            stack.append(event.version)
    return stack


def was_taken_out(events: Sequence[Event], version: str) -> bool:
    """Return whether a rollback removed that registry version from Production and nobody has restored it since."""
    taken_out = False
    previous: str | None = None
    for event in events:
        if event.action == "rollback" and previous == version:
            taken_out = True
        if event.version == version:
            taken_out = False
        previous = event.version
    return taken_out


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have only a number.
        return "unknown"
