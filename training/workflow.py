"""The workflows of training: a run from the dataset to Production, a promotion, and a rollback."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from loan_api.credit.form import read_form
from loan_api.scoring.package import TAG_DATASET_DIGEST, ModelFacts, artifact_digest, profiles_digest
from loan_api.settings import Settings, locate_dataset
from training.console import TrainingConsole
from training.data.dataset import Dataset, read_dataset
from training.data.profile import DataProfile, profile_dataset
from training.data.split import Split, split_dataset
from training.errors import GateRefusedError, NoWinnerError
from training.interruption import Interrupts
from training.lock import registry_lock
from training.registry import packaging
from training.registry.card import model_card
from training.registry.gate import Contestant, Verdict, fetch_artifact, fetch_contestant, inspect, judge
from training.registry.history import read_events, was_taken_out
from training.registry.profiles import reference_profiles
from training.registry.promotion import Settlement, previous_version, put_into_production, settle
from training.registry.registration import NewModel, find_same_model, keep_verdict, register
from training.registry.versions import PRODUCTION, champion_version, find_version, semantic_version
from training.selection.candidates import BASELINE, Candidate, able_to_learn_from
from training.selection.choice import Choice, choose
from training.selection.evaluation import Conditions, Evaluation, evaluating
from training.tracking import records, store
from training.tracking.environment import git_commit


@dataclass(frozen=True)
class _Material:
    """The inputs of a run."""

    dataset: Dataset
    split: Split
    profile: DataProfile
    conditions: Conditions
    commit: str


@dataclass(frozen=True)
class _Judged:
    """The winner, new or already registered, and the gate's verdict if it was judged."""

    model: NewModel | ModelVersion
    verdict: Verdict | None


def train(
    settings: Settings,
    candidates: Sequence[Candidate],
    console: TrainingConsole,
    *,
    conditions: Conditions,
    jobs: int,
    interrupts: Interrupts,
) -> None:
    """Train every candidate, register the winner and promote it through the gate.

    Every candidate becomes a child of one MLflow run. Raises TrainingError, with nothing registered, if the data cannot
    be used or no candidate beats the baseline; GateRefusedError, with the version registered, if the gate refuses it.
    """
    dataset = read_dataset(read_form(settings.features_path), locate_dataset(settings))
    split = split_dataset(dataset)
    material = _Material(dataset, split, profile_dataset(dataset, split), conditions, git_commit(settings.git_commit))
    able, unable = able_to_learn_from(split, candidates)
    competitors = (BASELINE, *able)
    summary = f"{len(candidates)} candidates on {len(dataset.outcomes)} applications, seed {conditions.seed}"
    client = store.connect(settings)
    store.open_experiment(client, settings)
    earlier = store.training_runs(client, dataset.form.name, f"params.dataset_digest = '{dataset.digest}'")
    with (
        ExitStack() as until_the_end,
        # Evaluation starts first: describing the data takes seconds.
        evaluating(competitors, split, conditions, jobs) as evaluated,
        store.training_run(settings, summary) as parent,
    ):
        _announce(dataset, [run.info.run_id for run in earlier], console)
        _warn_of_doubtful(dataset, console)
        for candidate, reason in unable:
            console.warn(f"{candidate.name} is left out: {reason}.")
        if not able:
            raise NoWinnerError("every candidate is left out; nothing is registered")
        names = [candidate.name for candidate in competitors]
        records.record_setup(dataset, split, material.profile, conditions, names, material.commit)
        evaluations = list(console.follow(evaluated, len(competitors)))
        choice = choose(evaluations[1:], evaluations[0], split.train_outcomes.to_numpy())
        winner_run = _record(evaluations, choice, material)
        console.show_comparison(evaluations, choice.winner)
        console.say(choice.reason)
        if choice.winner.candidate.keeps_applications:
            console.warn(
                f"The {choice.winner.candidate.name} model contains training applications. Anyone who can read the"
                " artifact can read them."
            )
        with registry_lock(settings.home.registry_lock, console.say):
            _settle(client, settings.model_name, console)
            judged = _judge(client, settings.model_name, evaluations[0], choice, material, winner_run, console)
            # Finish from here on: a partial registration is worse than a delayed Ctrl-C.
            until_the_end.enter_context(interrupts.held_off())
            version, refusal = _bring_in(client, settings.model_name, console, judged)
        number = semantic_version(version)
        result = "is in Production" if refusal is None else f"was not promoted: {refusal}"
        records.record_end(
            client,
            parent.info.run_id,
            name=f"{number} {choice.winner.candidate.name}{'' if isinstance(judged.model, NewModel) else ' again'}",
            description=f"{summary}. {choice.reason} Version {number} {result}.",
            tags={"semantic_version": number, "registry_version": str(version.version)},
        )
    console.say(f"Run {parent.info.run_id}; make ui shows it.")
    if refusal is not None:
        raise GateRefusedError(f"version {number} {result}")


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
    client = store.connect(settings)
    with registry_lock(settings.home.registry_lock, console.say):
        _settle(client, settings.model_name, console)
        version = find_version(client, settings.model_name, wanted)
        number = semantic_version(version)
        champion = champion_version(client, settings.model_name)
        if champion is not None and champion.version == version.version:
            console.say(f"Version {number} of {version.name} is already in Production.")
            return
        dataset = read_dataset(read_form(settings.features_path), locate_dataset(settings))
        if dataset.digest != version.tags[TAG_DATASET_DIGEST]:
            console.warn(f"Version {number} was trained on other data; the gate uses the holdout of {dataset.path}.")
        with TemporaryDirectory() as folder:
            rival = fetch_contestant(champion, Path(folder, "champion")) if champion is not None else None
            challenger = fetch_contestant(version, Path(folder, "challenger"))
            verdict = judge(challenger, rival, split_dataset(dataset), despite_broken_champion=despite_broken_champion)
        _carry_out(client, version, verdict, console, interrupts, is_rollback=False)


def rollback(settings: Settings, console: TrainingConsole, interrupts: Interrupts) -> None:
    """Restore the previous Production version if it still loads and reproduces its golden rows.

    Raises VersionError if there is no previous version and GateRefusedError if it is broken.
    """
    client = store.connect(settings)
    with registry_lock(settings.home.registry_lock, console.say):
        if _settle(client, settings.model_name, console).completed == "rollback":
            # An interrupted rollback was just completed; going back one more version would be a surprise.
            return
        version = previous_version(client, settings.model_name)
        with TemporaryDirectory() as folder:
            verdict = inspect(read_form(settings.features_path), fetch_contestant(version, Path(folder, "previous")))
        _carry_out(client, version, verdict, console, interrupts, is_rollback=True)


def _settle(client: MlflowClient, name: str, console: TrainingConsole) -> Settlement:
    settlement = settle(client, name)
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


def _warn_of_doubtful(dataset: Dataset, console: TrainingConsole) -> None:
    for name in dataset.constant:
        console.warn(f"{name} has the same value in every application; the model cannot learn from it.")
    for name in dataset.form.unconstrainable:
        console.warn(f"{name} is left out: its formula does not follow the effects of the features in it.")


def _announce(dataset: Dataset, earlier: Sequence[str], console: TrainingConsole) -> None:
    if dataset.is_sample:
        console.warn(
            "There is no dataset/loan_approval_dataset.csv: training on the SYNTHETIC sample. The model is for"
            " demonstration, not for lending."
        )
    repeated = f", {dataset.repeated_rows} duplicates dropped" if dataset.repeated_rows else ""
    console.say(f"Read {len(dataset.outcomes)} applications from {dataset.path}{repeated}.")
    seen = f"the same data as run {earlier[0]}" if earlier else "new to this tracking store"
    console.say(f"Data version {dataset.digest[:12]}: {seen}.")
    mlflow.set_tags({"data_version": dataset.digest[:12], "same_data_as": earlier[0] if earlier else "no earlier run"})


def _record(evaluations: Sequence[Evaluation], choice: Choice, material: _Material) -> str:
    """Record a child run for every candidate and return the winner's run id."""
    data = records.as_input(material.dataset)
    winner_run = ""
    for evaluation in evaluations:
        is_winner = evaluation is choice.winner
        role: records.Role = "winner" if is_winner else "baseline" if evaluation.candidate is BASELINE else "candidate"
        run_id = records.record_candidate(material.split, evaluation, role, data)
        winner_run = run_id if is_winner else winner_run
    records.record_comparison(evaluations, choice)
    return winner_run


def _judge(
    client: MlflowClient,
    name: str,
    baseline: Evaluation,
    choice: Choice,
    material: _Material,
    winner_run: str,
    console: TrainingConsole,
) -> _Judged:
    """Package the winner unless it is registered already, and judge it. The registry stays unchanged."""
    identity = packaging.identify(choice.winner, material.dataset, material.split)
    same = find_same_model(client, name, identity)
    champion = champion_version(client, name)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rival = fetch_contestant(champion, folder / "champion") if champion is not None else None
        if same is not None:
            if same.current_stage == PRODUCTION or was_taken_out(read_events(client, name), str(same.version)):
                return _Judged(same, verdict=None)
            challenger = fetch_contestant(same, folder / "challenger")
            return _Judged(same, judge(challenger, rival, material.split))
        facts = ModelFacts(
            algorithm=choice.winner.candidate.name,
            threshold=choice.winner.threshold,
            metrics=choice.winner.metrics,
            dataset_digest=material.dataset.digest,
            feature_schema_digest=material.dataset.form.digest,
            git_commit=material.commit,
        )
        compiled = packaging.compile_winner(choice.winner, material.split)
        profiles = reference_profiles(material.split, choice.winner.out_of_fold, choice.winner.threshold)
        importance = packaging.importance_of(choice.winner, material.split, compiled, profiles)
        if not importance:
            console.warn(
                "The model cannot give reasons: the form allows so few applications that every reference profile would"
                " equal one."
            )
        card = model_card(
            choice,
            baseline,
            material.split,
            material.profile,
            material.conditions,
            importance,
            winner_run,
            material.commit,
        )
        package = packaging.reference_package(choice.winner, material.split, card, profiles)
        records.record_importance(client, winner_run, importance)
        with store.tracked_run(run_id=winner_run, nested=True):
            logged = packaging.log_artifact(material.split.form, client, choice.winner, facts, package, compiled)
        artifact = fetch_artifact(logged.model_uri, folder / "challenger")
        verdict = judge(Contestant(artifact, facts.threshold), rival, material.split)
        new = NewModel(logged, facts, identity, artifact_digest(artifact), profiles_digest(artifact), verdict)
        return _Judged(new, verdict)


def _bring_in(
    client: MlflowClient, name: str, console: TrainingConsole, judged: _Judged
) -> tuple[ModelVersion, str | None]:
    """Register and promote the winner. Return its version and, if it is not in Production, the reason."""
    if isinstance(judged.model, NewModel):
        version = register(client, name, judged.model)
        console.say(f"Registered as version {semantic_version(version)} ({version.tags['version_reason']}).")
    else:
        version = judged.model
        number = semantic_version(version)
        console.say(f"The model is identical to version {number}; nothing is registered.")
        if version.current_stage == PRODUCTION:
            console.say(f"Version {number} is already in Production.")
            return version, None
    if judged.verdict is None:
        return version, f"it was rolled back; restore it with python -m training promote {semantic_version(version)}"
    if version is judged.model:
        # A new version was registered with its verdict.
        keep_verdict(client, version, judged.verdict)
    console.show_verdict(judged.verdict)
    if not judged.verdict.passed:
        return version, judged.verdict.summary
    put_into_production(client, version)
    console.say(f"Version {semantic_version(version)} of {name} is in Production.")
    return version, None
