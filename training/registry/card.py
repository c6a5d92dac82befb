"""The model card: purpose, performance and limitations of the model, for those who rely on it."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from training.data.profile import DataProfile
from training.data.split import FOLDS, Split
from training.selection.choice import Choice
from training.selection.evaluation import Conditions, Evaluation
from training.selection.metrics import confidence_intervals

_TEMPLATES = Path(__file__).parent / "templates"
_OTHER_METRICS = (
    "balanced_accuracy",
    "mcc",
    "roc_auc",
    "average_precision",
    "log_loss",
    "ks",
    "expected_calibration_error",
    "calibration_slope",
)


def model_card(
    choice: Choice,
    baseline: Evaluation,
    split: Split,
    profile: DataProfile,
    conditions: Conditions,
    importance: Mapping[str, float],
    run_id: str,
    commit: str,
) -> str:
    """Render the winner's card in Markdown."""
    winner = choice.winner
    outcomes = split.holdout_outcomes.to_numpy()
    applications = pd.concat([split.train_applications, split.holdout_applications])
    # Markdown needs no escaping.
    templates = Environment(loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, autoescape=False)  # noqa: S701
    return templates.get_template("model_card.md").render(
        form=split.form,
        algorithm=winner.candidate.name,
        threshold=f"{winner.threshold:.4g}",
        calibration=winner.calibration,
        profile=profile,
        metrics=winner.metrics,
        intervals=confidence_intervals(outcomes, winner.holdout, winner.threshold),
        wrong=int(((winner.holdout >= winner.threshold) != outcomes).sum()),
        others=_OTHER_METRICS,
        folds=FOLDS,
        reason=choice.reason,
        importance=importance,
        baseline_f1=baseline.metrics["cv_f1_mean"],
        folds_of_values=[
            (c.name, value, stand_in, int((applications[c.name] == value).sum()))
            for c in split.form.categories
            for value, stand_in in c.folds.items()
        ],
        negative_values=[(n.name, rows) for n in split.form.numbers if (rows := int((applications[n.name] < 0).sum()))],
        keeps_applications=winner.candidate.keeps_applications,
        run_id=run_id,
        commit=commit,
        conditions=conditions,
    )
