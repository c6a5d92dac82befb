"""Puts versions into Production and takes them out.

The registry's stage is what the service follows, and MLflow changes it in one transaction: at any time, exactly one
version is in Production. Alias and history follow; `settle` makes good what a kill between the steps left undone.
"""

import warnings
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from loan_api.scoring.package import CHAMPION_ALIAS
from training.errors import VersionError
from training.registry.history import (
    Action,
    Event,
    drop_event,
    mark_done,
    new_event,
    read_events,
    standing,
    write_event,
)
from training.registry.versions import (
    PRODUCTION,
    count_in_production,
    production_version,
    registered_versions,
    semantic_version,
)


def put_into_production(client: MlflowClient, version: ModelVersion, action: Action = "promote") -> None:
    """Makes `version` the only one in Production, points the champion alias at it and keeps the event.

    To be called with the registry's lock held and the registry settled. Repeating it changes nothing.
    """
    name = version.name
    serving = production_version(client, name)
    if serving is not None and serving.version == version.version:
        return
    event = new_event(action, version, read_events(client, name))
    write_event(client, name, event)
    _move(client, version)
    mark_done(client, name, event)


def previous_version(client: MlflowClient, name: str) -> ModelVersion:
    """The version that was in Production before today's, those that were rolled back left out.

    Raises VersionError where there is none.
    """
    serving = production_version(client, name)
    if serving is None:
        raise VersionError(f"no version of {name} is in Production; there is nothing to roll back")
    registered = {str(version.version) for version in registered_versions(client, name)}
    # Somebody may have deleted a version since.
    earlier = [version for version in standing(read_events(client, name))[:-1] if version in registered]
    if not earlier:
        raise VersionError(
            f"{name} {semantic_version(serving)} is the first in Production; there is none to go back to"
        )
    return client.get_model_version(name, earlier[-1])


@dataclass(frozen=True)
class Settlement:
    """What had to be mended, a sentence each, and the action that was cut short and is complete now."""

    sentences: tuple[str, ...]
    completed: Action | None = None


def settle(client: MlflowClient, name: str) -> Settlement:
    """Brings stage, alias and history into agreement. The stage is right, as the service follows it."""
    serving = production_version(client, name)
    mended = []
    if serving is not None:
        number = semantic_version(serving)
        if count_in_production(client, name) > 1:
            _move(client, serving)
            mended.append(f"Several versions were in Production; {number}, the newest from training, stays.")
        elif CHAMPION_ALIAS not in serving.aliases:
            _move(client, serving)
            mended.append(f"The alias {CHAMPION_ALIAS} now points at {number}, which is in Production.")
    history, completed = _settle_history(client, name, serving)
    return Settlement((*mended, *history), completed)


def unsettled(client: MlflowClient, name: str) -> bool:
    """Whether `settle` would mend something."""
    serving = production_version(client, name)
    events = read_events(client, name)
    if serving is None:
        return bool(events) or count_in_production(client, name) > 0
    agrees = bool(events) and events[-1].done and events[-1].version == str(serving.version)
    return count_in_production(client, name) > 1 or CHAMPION_ALIAS not in serving.aliases or not agrees


def _settle_history(client: MlflowClient, name: str, serving: ModelVersion | None) -> tuple[list[str], Action | None]:
    mended: list[str] = []
    completed: Action | None = None
    events = read_events(client, name)
    if events and not events[-1].done:
        last = events[-1]
        if serving is not None and last.version == str(serving.version):
            mark_done(client, name, last)
            completed = last.action
            mended.append(f"The {last.action} of {last.semantic_version} was cut short; it is complete now.")
        else:
            drop_event(client, name, last)
            events.pop()
            mended.append(f"The {last.action} of {last.semantic_version} was cut short before it changed anything.")
    if serving is not None and (not events or events[-1].version != str(serving.version)):
        write_event(client, name, _found(serving, events))
        mended.append(f"{semantic_version(serving)} was put into Production by other means; the history says so now.")
    return mended, completed


def _found(serving: ModelVersion, events: list[Event]) -> Event:
    """The event that nobody wrote, at the time that the registry remembers."""
    at = datetime.fromtimestamp((serving.last_updated_timestamp or 0) / 1000, UTC)
    return replace(new_event("found", serving, events, at), by="unknown", done=True)


def _move(client: MlflowClient, version: ModelVersion) -> None:
    with warnings.catch_warnings():
        # MLflow deprecates stages in favour of aliases; the service's contract has both.
        warnings.simplefilter("ignore", FutureWarning)
        client.transition_model_version_stage(
            version.name, version.version, stage=PRODUCTION, archive_existing_versions=True
        )
    client.set_registered_model_alias(version.name, CHAMPION_ALIAS, version.version)
