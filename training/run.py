"""One training run, from data to Production."""

from collections.abc import Sequence
from dataclasses import dataclass

import mlflow
from mlflow import MlflowClient

from loan_api.credit.decision import DEFAULT_THRESHOLD
from loan_api.credit.features import feature_schema_digest
from loan_api.scoring.package import TAG_SEMANTIC_VERSION, ModelFacts
from loan_api.settings import Settings
from training import promotion, registration, tracking
from training.candidates import BASELINE, Candidate
from training.console import TrainingConsole
from training.dataset import Dataset, locate_dataset, read_dataset
from training.evaluation import Evaluation, Split, choose, evaluate_all, split_dataset


@dataclass(frozen=True)
class TrainedModel:
    """What a run has put into Production."""

    semantic_version: str
    registry_version: str
    winner: Evaluation


def train(
    settings: Settings,
    candidates: Sequence[Candidate],
    console: TrainingConsole,
    *,
    seed: int,
    jobs: int,
) -> TrainedModel:
    """Ingests, evaluates the candidates and the baseline, registers the winner and promotes it.

    Every candidate is a child of one MLflow run. Raises TrainingError, with nothing registered, where the data cannot
    be used or nothing beats the baseline.
    """
    dataset = read_dataset(locate_dataset(settings.dataset_path))
    _announce(dataset, console)
    split = split_dataset(dataset, seed)
    client = tracking.connect(settings)
    tracking.open_experiment(client, settings)
    summary = f"{len(candidates)} candidates on {len(dataset.applications)} applications, seed {seed}"
    with tracking.tracked_run("training", summary) as parent:
        _log_setup(dataset, split, seed)
        competitors = (BASELINE, *candidates)
        evaluations = list(console.follow(evaluate_all(competitors, split, seed, jobs), len(competitors)))
        winner = choose(evaluations[1:], baseline=evaluations[0])
        version = _record(client, settings, evaluations, winner, split, dataset)
        mlflow.log_metrics(dict(winner.metrics))
        mlflow.set_tags({"winner": winner.candidate.name, "registered_version": version.registry_version})
        console.show_comparison(evaluations, winner)
    console.say(
        f"Version {version.semantic_version} of {settings.model_name} ({winner.candidate.name}) is in Production;"
        f" run {parent.info.run_id}."
    )
    return version


def _announce(dataset: Dataset, console: TrainingConsole) -> None:
    if dataset.is_sample:
        console.warn(
            "No dataset/loan_approval_dataset.csv: training on the SYNTHETIC sample. Its model is for trying things"
            " out, not for lending."
        )
    repeated = f", {dataset.repeated_rows} repeated dropped" if dataset.repeated_rows else ""
    console.say(f"Read {len(dataset.applications)} applications from {dataset.path}{repeated}.")


def _log_setup(dataset: Dataset, split: Split, seed: int) -> None:
    mlflow.log_params(
        {
            "seed": seed,
            "dataset": dataset.path.name,
            "dataset_digest": dataset.digest,
            "feature_schema_digest": feature_schema_digest(),
            "rows": len(dataset.applications),
            "rows_repeated_dropped": dataset.repeated_rows,
            "rows_train": len(split.train_outcomes),
            "rows_holdout": len(split.holdout_outcomes),
        }
    )


def _record(
    client: MlflowClient,
    settings: Settings,
    evaluations: Sequence[Evaluation],
    winner: Evaluation,
    split: Split,
    dataset: Dataset,
) -> TrainedModel:
    """A child run for every candidate; the winner's is the one that its registered version points at."""
    for evaluation in evaluations:
        if evaluation is not winner:
            with tracking.tracked_run(evaluation.candidate.name, "", nested=True):
                _log_evaluation(evaluation)
    with tracking.tracked_run(winner.candidate.name, "the winner", nested=True):
        _log_evaluation(winner)
        facts = ModelFacts(
            algorithm=winner.candidate.name,
            threshold=DEFAULT_THRESHOLD,
            metrics=winner.metrics,
            dataset_digest=dataset.digest,
            feature_schema_digest=feature_schema_digest(),
            git_commit=registration.git_commit(),
        )
        version = registration.register(client, settings.model_name, winner, split, facts)
    promotion.promote(client, version)
    return TrainedModel(version.tags[TAG_SEMANTIC_VERSION], version.version, winner)


def _log_evaluation(evaluation: Evaluation) -> None:
    mlflow.log_params({"algorithm": evaluation.candidate.name, **evaluation.parameters})
    mlflow.log_metrics({**evaluation.metrics, "fit_seconds": evaluation.fit_seconds})
