"""Differences between two training runs in data, parameters and metrics."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from loan_api.credit.drift import population_stability_index
from training.errors import RunNotFoundError
from training.tracking.records import ENVIRONMENT, PROFILE
from training.tracking.store import ROLE_TRAINING, TAG_ROLE, training_runs


@dataclass(frozen=True)
class Change:
    """A value that differs between two runs, empty for a run that lacks it."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class RunComparison:
    """The differences between two runs. `drift` is each feature's PSI, and empty if the data is the same."""

    same_data: bool
    data: tuple[Change, ...]
    drift: Mapping[str, float]
    parameters: tuple[Change, ...]
    metrics: tuple[Change, ...]


def find_run(client: MlflowClient, name: str, experiment: str, wanted: str) -> Run:
    """Return the training run for a run id, the beginning of one, or a version of the model `name`.

    A candidate's run stands for its parent. Raises RunNotFoundError unless exactly one run matches.
    """
    for version in client.search_model_versions(f"name='{name}'"):
        if wanted == version.tags.get("semantic_version") and version.run_id:
            return _parent(client, client.get_run(version.run_id))
    try:
        return _parent(client, client.get_run(wanted))
    except MlflowException:
        found = [run for run in training_runs(client, experiment) if run.info.run_id.startswith(wanted)]
    if len(found) != 1:
        raise RunNotFoundError(
            f"{len(found) or 'no'} training runs begin with {wanted}; name a run id, its start, or a semantic version"
        )
    return found[0]


def compare_runs(client: MlflowClient, before: Run, after: Run) -> RunComparison:
    """Compare two runs. Raises RunNotFoundError if one ended before its data version was recorded."""
    old, new = _profile(client, before), _profile(client, after)
    same_data = old["dataset_digest"] == new["dataset_digest"]
    return RunComparison(
        same_data=same_data,
        data=_changes(_data_facts(old), _data_facts(new)),
        drift={} if same_data else _drift(old, new),
        parameters=_changes(_parameters(client, before), _parameters(client, after)),
        metrics=_changes(_measured(before), _measured(after)),
    )


def _parent(client: MlflowClient, run: Run) -> Run:
    parent = run.data.tags.get("mlflow.parentRunId")
    found = client.get_run(parent) if parent else run
    if found.data.tags.get(TAG_ROLE) != ROLE_TRAINING:
        raise RunNotFoundError(f"run {run.info.run_id} is not a training run")
    return found


def _profile(client: MlflowClient, run: Run) -> Mapping[str, Any]:
    return _content(client, run, PROFILE)


def _parameters(client: MlflowClient, run: Run) -> dict[str, str]:
    """Return the parameters of the run and of its winner, and the library versions."""
    libraries = _content(client, run, ENVIRONMENT)["libraries"]
    return run.data.params | {f"library {name}": version for name, version in libraries.items()}


def _content(client: MlflowClient, run: Run, artifact: str) -> Mapping[str, Any]:
    with TemporaryDirectory() as folder:
        try:
            path = client.download_artifacts(run.info.run_id, artifact, folder)
        except (MlflowException, OSError) as error:
            raise RunNotFoundError(f"run {run.info.run_id} has no {artifact}; it ended too early") from error
        content: Mapping[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return content


def _data_facts(profile: Mapping[str, Any]) -> dict[str, str]:
    facts: dict[str, str] = {
        "dataset digest": profile["dataset_digest"][:12],
        "feature schema digest": profile["feature_schema_digest"][:12],
        "rows read": str(profile["rows_read"]),
        "rows kept": str(profile["rows_kept"]),
        "rows held out": str(profile["rows_holdout"]),
        "approved": f"{profile['outcomes']['approved'] / profile['rows_kept']:.4f}",
    }
    for feature in profile["features"]:
        if feature["mean"] is not None:
            facts[f"{feature['name']}: mean"] = f"{feature['mean']:.6g}"
            facts[f"{feature['name']}: spread"] = f"{feature['spread']:.6g}"
        facts[f"{feature['name']}: missing"] = str(feature["missing"])
    return facts


def _drift(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, float]:
    """Return the PSI of every feature that has the same bins in both profiles."""
    before, after = (
        {feature["name"]: feature["histogram"]["counts"] for feature in profile["features"]} for profile in (old, new)
    )
    return {
        name: population_stability_index(list(counts.values()), list(after[name].values()))
        for name, counts in before.items()
        if name in after and list(counts) == list(after[name])
    }


def _measured(run: Run) -> dict[str, str]:
    """Return the metrics without the timings, which always differ."""
    return {name: f"{value:.6g}" for name, value in run.data.metrics.items() if "_seconds" not in name}


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    names = [*before, *(name for name in after if name not in before)]
    pairs = ((name, before.get(name, ""), after.get(name, "")) for name in names)
    return tuple(Change(name, old, new) for name, old, new in pairs if old != new)
