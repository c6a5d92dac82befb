"""Promotion and rollback on request."""

from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from loan_api.scoring.package import TAG_DATASET_DIGEST
from loan_api.settings import Settings, locate_dataset
from training.console import TrainingConsole
from training.data.dataset import read_dataset
from training.data.split import split_dataset
from training.errors import GateRefusedError
from training.interruption import Interrupts
from training.lock import registry_lock
from training.registry.gate import Verdict, fetch_contestant, inspect, judge
from training.registry.promotion import Settlement, previous_version, put_into_production, settle
from training.registry.registration import keep_verdict
from training.registry.versions import champion_version, find_version, semantic_version
from training.tracking.store import connect


def promote(
    settings: Settings,
    wanted: str | None,
    console: TrainingConsole,
    interrupts: Interrupts,
    *,
    despite_broken_champion: bool = False,
) -> None:
    """Put the version named by `wanted`, or the newest, through the gate and into Production.

    The gate compares it with the champion on the holdout of the current dataset. Raises GateRefusedError if the gate
    refuses it, and TrainingError if the dataset is unusable or the version does not exist.
    """
    client = connect(settings)
    with registry_lock(settings.home.registry_lock, console.say):
        _settle(client, settings, console)
        version = find_version(client, settings.model_name, wanted)
        number = semantic_version(version)
        champion = champion_version(client, settings.model_name)
        if champion is not None and champion.version == version.version:
            console.say(f"Version {number} of {version.name} is already in Production.")
            return
        dataset = read_dataset(locate_dataset(settings.dataset_path))
        if dataset.digest != version.tags[TAG_DATASET_DIGEST]:
            console.warn(f"Version {number} was trained on other data; the gate uses the holdout of {dataset.path}.")
        with TemporaryDirectory() as folder:
            rival = fetch_contestant(champion, Path(folder, "champion")) if champion is not None else None
            challenger = fetch_contestant(version, Path(folder, "challenger"))
            verdict = judge(challenger, rival, split_dataset(dataset), despite_broken_champion=despite_broken_champion)
        _carry_out(client, version, verdict, console, interrupts, is_rollback=False)


def rollback(settings: Settings, console: TrainingConsole, interrupts: Interrupts) -> None:
    """Restore the previous Production version if it still loads and reproduces its golden rows.

    Raises VersionError if there is none and GateRefusedError if it is broken.
    """
    client = connect(settings)
    with registry_lock(settings.home.registry_lock, console.say):
        if _settle(client, settings, console).completed == "rollback":
            # An interrupted rollback was just completed; going back one more version would be a surprise.
            return
        version = previous_version(client, settings.model_name)
        with TemporaryDirectory() as folder:
            verdict = inspect(fetch_contestant(version, Path(folder, "previous")))
        _carry_out(client, version, verdict, console, interrupts, is_rollback=True)


def _settle(client: MlflowClient, settings: Settings, console: TrainingConsole) -> Settlement:
    settlement = settle(client, settings.model_name)
    for sentence in settlement.sentences:
        console.say(sentence)
    return settlement


def _carry_out(
    client: MlflowClient,
    version: ModelVersion,
    verdict: Verdict,
    console: TrainingConsole,
    interrupts: Interrupts,
    *,
    is_rollback: bool,
) -> None:
    console.show_verdict(verdict)
    number = semantic_version(version)
    with interrupts.held_off():
        if not is_rollback:
            keep_verdict(client, version, verdict)
        if verdict.passed:
            put_into_production(client, version, "rollback" if is_rollback else "promote")
    if not verdict.passed:
        raise GateRefusedError(f"version {number} was not put into Production: {verdict.summary}")
    console.say(f"Version {number} of {version.name} is in Production{' again' if is_rollback else ''}.")
