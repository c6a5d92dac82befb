"""Promotion and rollback in the registry.

The service follows the stage, which MLflow changes in one transaction, so exactly one version is in Production at any
time. Alias and history follow. `settle` reconciles them with the stage after an interrupted change or one made
elsewhere, such as in MLflow's UI.
"""

import warnings
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeGuard

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from loan_api.scoring.package import CHAMPION_ALIAS
from loan_api.scoring.promotions import Action, Event
from training.errors import VersionError
from training.registry.history import (
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
    is_from_training,
    production_version,
    registered_versions,
    semantic_version,
)


def put_into_production(client: MlflowClient, version: ModelVersion, action: Action = "promote") -> None:
    """Make `version` the only one in Production, set the champion alias to it, and record the event.

    The caller holds the registry lock and has settled the registry. The operation is idempotent.
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
    """Return the version that a rollback restores: the last one before the current, not counting rolled-back ones.

    Foreign versions are skipped. Raises VersionError if no version remains.
    """
    serving = production_version(client, name)
    if serving is None:
        raise VersionError(f"no version of {name} is in Production; python -m training promote puts one there")
    registered = {str(version.version) for version in registered_versions(client, name)}
    # A version may have been deleted since.
    earlier = [version for version in standing(read_events(client, name))[:-1] if version in registered]
    if not earlier:
        raise VersionError(f"{name} has no earlier Production version to restore; {_title(serving)} was the first")
    return client.get_model_version(name, earlier[-1])


@dataclass(frozen=True)
class Settlement:
    """The repairs made, one sentence each, and the interrupted action that is now complete, if any."""

    sentences: tuple[str, ...]
    completed: Action | None = None


def settle(client: MlflowClient, name: str) -> Settlement:
    """Reconcile alias and history with the stage, which is authoritative because the service follows it."""
    serving = production_version(client, name)
    repairs = []
    if serving is not None:
        if count_in_production(client, name) > 1:
            _move(client, serving)
            repairs.append(f"Several versions were in Production; {_title(serving)} stays.")
        elif CHAMPION_ALIAS not in serving.aliases:
            _move(client, serving)
            repairs.append(f"The alias {CHAMPION_ALIAS} now points at {_title(serving)}, which is in Production.")
    history, completed = _settle_history(client, name, serving)
    return Settlement((*repairs, *history), completed)


def unsettled(client: MlflowClient, name: str) -> bool:
    """Return whether stage, alias and history disagree."""
    serving = production_version(client, name)
    events = read_events(client, name)
    if serving is None:
        return bool(events)
    agrees = bool(events) and events[-1].done and events[-1].version == str(serving.version)
    return count_in_production(client, name) > 1 or CHAMPION_ALIAS not in serving.aliases or not agrees


def current_history(client: MlflowClient, name: str) -> list[Event]:
    """Return the history as the registry shows it, including a version put into Production elsewhere."""
    events = read_events(client, name)
    serving = production_version(client, name)
    return [*events, _found(serving, events)] if _is_missing(serving, events) else events


def _is_missing(serving: ModelVersion | None, events: list[Event]) -> TypeGuard[ModelVersion]:
    return serving is not None and (not events or events[-1].version != str(serving.version))


def _settle_history(client: MlflowClient, name: str, serving: ModelVersion | None) -> tuple[list[str], Action | None]:
    repairs: list[str] = []
    completed: Action | None = None
    events = read_events(client, name)
    if events and not events[-1].done:
        last = events[-1]
        if serving is not None and last.version == str(serving.version):
            mark_done(client, name, last)
            completed = last.action
            repairs.append(f"The {last.action} of {last.semantic_version} was interrupted; it is now complete.")
        else:
            drop_event(client, name, last)
            events.pop()
            repairs.append(f"The {last.action} of {last.semantic_version} was interrupted before it changed anything.")
    if _is_missing(serving, events):
        write_event(client, name, _found(serving, events))
        repairs.append(f"{_title(serving)} was put into Production by other means; the history now includes it.")
    return repairs, completed


def _found(serving: ModelVersion, events: list[Event]) -> Event:
    """Reconstruct the event of a change made elsewhere, with the registry's timestamp."""
    at = datetime.fromtimestamp((serving.last_updated_timestamp or 0) / 1000, UTC)
    return replace(new_event("found", serving, events, at), by="unknown", done=True)


def _title(version: ModelVersion) -> str:
    if is_from_training(version):
        return semantic_version(version)
    return f"registry version {version.version} (not from training)"


def _move(client: MlflowClient, version: ModelVersion) -> None:
    with warnings.catch_warnings():
        # MLflow deprecates stages in favour of aliases; the service's contract promises both.
        warnings.simplefilter("ignore", FutureWarning)
        client.transition_model_version_stage(
            version.name, version.version, stage=PRODUCTION, archive_existing_versions=True
        )
    client.set_registered_model_alias(version.name, CHAMPION_ALIAS, version.version)
