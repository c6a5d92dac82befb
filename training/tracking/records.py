"""Records of a training run and of each candidate in MLflow."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.data.pandas_dataset import PandasDataset

from training.data.dataset import OUTCOME, Dataset
from training.data.profile import DataProfile
from training.data.report import profile_page, profile_picture
from training.data.split import Split
from training.selection.choice import Choice
from training.selection.evaluation import Conditions, Evaluation
from training.selection.pipeline import describe_transformations
from training.selection.plots import draw_comparison, draw_importance, draw_plots
from training.tracking.environment import code_archive, describe_environment
from training.tracking.store import TAG_ROLE, tracked_run

Role = Literal["winner", "baseline", "candidate"]

PROFILE = "data/profile.json"
ENVIRONMENT = "environment/environment.json"
# MLflow's limit.
_DIGEST_LENGTH = 36


def as_input(dataset: Dataset) -> PandasDataset:
    """Return the dataset as an MLflow dataset, identified by its content digest."""
    table = dataset.applications.assign(**{OUTCOME: dataset.outcomes.astype("float64")}).reset_index(drop=True)
    with warnings.catch_warnings():
        # MLflow has two names for local files and warns about the ambiguity.
        warnings.filterwarnings("ignore", "The specified dataset source can be interpreted in multiple ways")
        return mlflow.data.from_pandas(  # type: ignore[attr-defined,no-any-return]  # made at run time
            table,
            source=str(dataset.path),
            targets=OUTCOME,
            name=dataset.path.stem,
            digest=dataset.digest[:_DIGEST_LENGTH],
        )


def record_setup(
    dataset: Dataset, split: Split, profile: DataProfile, conditions: Conditions, candidates: Sequence[str], commit: str
) -> None:
    """Record data version, conditions, code and environment on the parent run, before anything is fitted."""
    archive, code_digest = code_archive()
    environment = describe_environment()
    mlflow.log_params(
        {
            "seed": conditions.seed,
            "wrong_approval_cost": conditions.wrong_approval_cost,
            "candidates": ", ".join(candidates),
            "dataset": dataset.path.name,
            "dataset_digest": dataset.digest,
            "feature_schema_digest": profile.feature_schema_digest,
            "rows_read": profile.rows_read,
            "rows_dropped": sum(profile.rows_dropped.values()),
            "rows_train": profile.rows_train,
            "rows_holdout": profile.rows_holdout,
            "code_digest": code_digest,
            "git_commit": commit,
            "python": environment["python"],
        }
    )
    mlflow.log_input(as_input(dataset), context="training")
    libraries = [f"{name}=={version}" for name, version in environment["libraries"].items()]
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("data", "code", "environment"):
            (folder / name).mkdir()
        _write_json(folder / PROFILE, profile.to_json())
        (folder / "data/profile.html").write_text(profile_page(profile), encoding="utf-8")
        profile_picture(profile).savefig(folder / "data/profile.png")
        (folder / "data/features.toml").write_text(dataset.form.text, encoding="utf-8")
        (folder / "data/split.csv").write_text(_split_table(split), encoding="utf-8")
        (folder / "code/source.zip").write_bytes(archive)
        _write_json(folder / ENVIRONMENT, environment)
        (folder / "environment/requirements.txt").write_text("\n".join(libraries) + "\n", encoding="utf-8")
        mlflow.log_artifacts(str(folder))


def record_comparison(evaluations: Sequence[Evaluation], choice: Choice) -> None:
    """Record the comparison of all candidates and the winner's metrics on the parent run."""
    winner = choice.winner
    mlflow.log_metrics({**winner.metrics, **winner.timings})
    mlflow.log_params(
        {
            "winner": winner.candidate.name,
            "calibration": winner.calibration,
            "threshold": winner.threshold,
            **{f"winner {name}": value for name, value in winner.parameters.items()},
        }
    )
    mlflow.set_tag("winner", winner.candidate.name)
    with TemporaryDirectory() as folder:
        metrics = {evaluation.candidate.name: evaluation.metrics for evaluation in evaluations}
        Path(folder, "candidates.png").write_bytes(draw_comparison(metrics, winner.candidate.name))
        Path(folder, "candidates.csv").write_text(_comparison_table(evaluations), encoding="utf-8")
        Path(folder, "choice.txt").write_text(choice.reason + "\n", encoding="utf-8")
        mlflow.log_artifacts(folder, "comparison")


def record_candidate(split: Split, evaluation: Evaluation, role: Role, data: PandasDataset) -> str:
    """Record a child run for one candidate and return its id. Only the winner gets plots."""
    metrics = evaluation.metrics
    description = (
        f"Log loss {metrics['cv_log_loss_mean']:.4f} ± {metrics['cv_log_loss_std']:.4f} and F1"
        f" {metrics['cv_f1_mean']:.4f} in cross-validation; F1 {metrics['f1']:.4f} on the holdout."
    )
    name = evaluation.candidate.name
    tags = {TAG_ROLE: role, "algorithm": name}
    with tracked_run(run_name=name, description=description, tags=tags, nested=True) as run:
        mlflow.log_params(
            {
                "algorithm": name,
                "calibration": evaluation.calibration,
                "threshold": evaluation.threshold,
                "complexity": evaluation.candidate.complexity.name.lower(),
                **evaluation.parameters,
            }
        )
        mlflow.log_metrics({**metrics, **evaluation.timings})
        mlflow.log_input(data, context="training")
        with TemporaryDirectory() as temporary:
            folder = Path(temporary)
            if role == "winner":
                (folder / "plots").mkdir()
                plots = draw_plots(split, evaluation.out_of_fold, evaluation.holdout, evaluation.threshold)
                for file_name, png in plots.items():
                    (folder / "plots" / file_name).write_bytes(png)
            lines = describe_transformations(split.form, evaluation.pipeline)
            (folder / "transformations.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
            mlflow.log_artifacts(str(folder))
    run_id: str = run.info.run_id
    return run_id


def record_importance(client: MlflowClient, run_id: str, importance: Mapping[str, float]) -> None:
    """Record the importance of every group on the winner's run, as JSON and as a plot."""
    if importance:
        client.log_dict(run_id, dict(importance), "importance.json")
        with TemporaryDirectory() as folder:
            plot = Path(folder, "importance.png")
            plot.write_bytes(draw_importance(importance))
            client.log_artifact(run_id, str(plot), "plots")


def record_end(client: MlflowClient, run_id: str, name: str, description: str, tags: Mapping[str, str]) -> None:
    """Name and describe the parent run by its result, for a readable list of runs."""
    client.update_run(run_id, name=name)
    mlflow.set_tags({**tags, "mlflow.note.content": description})


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _split_table(split: Split) -> str:
    """Return the row number (the header is row 1) and part of every application as CSV."""
    parts = {"train": split.train_outcomes.index, "holdout": split.holdout_outcomes.index}
    table = pd.concat([pd.Series(part, index=rows, name="part") for part, rows in parts.items()]).sort_index()
    return table.to_csv(index_label="row")


def _comparison_table(evaluations: Sequence[Evaluation]) -> str:
    rows = [
        {
            "candidate": e.candidate.name,
            "calibration": e.calibration,
            "threshold": e.threshold,
            **e.metrics,
            **e.timings,
        }
        for e in evaluations
    ]
    return pd.DataFrame(rows).to_csv(index=False)
