"""Plots of one candidate, and a comparison of all."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    precision_recall_curve,
)

from training.data.split import FOLDS, Split
from training.selection.metrics import Outcomes, Probabilities

_CLASSES = ("rejected", "approved")
_FIRST, _SECOND = "#20639b", "#d98c3f"
_MOST_POINTS = 2000


def draw_plots(split: Split, out_of_fold: Probabilities, holdout: Probabilities, threshold: float) -> dict[str, bytes]:
    """Return the plots of one candidate as PNG files, by file name."""
    outcomes = split.holdout_outcomes.to_numpy()
    return {
        "confusion_matrix.png": _confusion_matrix(outcomes, holdout, threshold),
        "roc.png": _roc(outcomes, holdout),
        "precision_recall.png": _precision_recall(outcomes, holdout),
        "calibration.png": _calibration(split.train_outcomes.to_numpy(), out_of_fold),
        "threshold.png": _threshold(split.train_outcomes.to_numpy(), out_of_fold, threshold),
    }


def draw_importance(importance: Mapping[str, float]) -> bytes:
    """Return a PNG file with a bar for every group, the largest on top."""
    names, values = zip(*reversed(list(importance.items())), strict=True)
    figure = Figure(figsize=(7, 1.2 + 0.35 * len(names)), layout="constrained", dpi=110)
    axes = figure.subplots()
    bars = axes.barh([name.replace("_", " ") for name in names], values, color=_FIRST)
    axes.bar_label(bars, fmt="%.3f", padding=3, fontsize=8)
    axes.set_xlabel("mean absolute contribution to the probability of approval")
    axes.set_title("Importance of the groups of features", fontsize=10)
    axes.margins(x=0.12)
    axes.grid(axis="x", alpha=0.3)
    return _as_png(figure)


def draw_comparison(metrics: Mapping[str, Mapping[str, float]], winner: str) -> bytes:
    """Return a PNG file of every candidate's cross-validated log loss and F1, best on top.

    `metrics` has each candidate's metrics by its name. Bars show one standard error.
    """
    ranked = sorted(metrics, key=lambda name: -metrics[name]["cv_log_loss_mean"])
    figure = Figure(figsize=(11, 1.4 + 0.42 * len(ranked)), layout="constrained", dpi=110)
    figure.suptitle("Candidates by cross-validation: mean ± one standard error")
    for axes, (metric, title) in zip(
        figure.subplots(1, 2, sharey=True),
        (("log_loss", "log loss (smaller is better)"), ("f1", "F1 (larger is better)")),
        strict=True,
    ):
        for place, name in enumerate(ranked):
            mean, spread = (metrics[name][f"cv_{metric}_{part}"] for part in ("mean", "std"))
            colour = _SECOND if name == winner else _FIRST
            axes.errorbar(mean, place, xerr=spread / np.sqrt(FOLDS), fmt="o", capsize=3, color=colour)
            axes.annotate(
                f"{mean:.4f}", (mean, place), textcoords="offset points", xytext=(0, 6), ha="center", fontsize=7
            )
        axes.set_title(title, fontsize=10)
        axes.grid(axis="x", alpha=0.3)
        axes.margins(x=0.1)
        axes.set_yticks(range(len(ranked)), [f"{name} ◀" if name == winner else name for name in ranked])
        axes.set_ylim(-0.6, len(ranked) - 0.3)
    return _as_png(figure)


def _confusion_matrix(outcomes: Outcomes, probabilities: Probabilities, threshold: float) -> bytes:
    with _plot("Holdout: outcomes and decisions") as (axes, png):
        ConfusionMatrixDisplay.from_predictions(
            outcomes,
            (probabilities >= threshold).astype("int64"),
            display_labels=_CLASSES,
            cmap="Blues",
            colorbar=False,
            ax=axes,
        )
        axes.set(xlabel=f"decided at {threshold:.3f}", ylabel="actual")
    return png.getvalue()


def _roc(outcomes: Outcomes, probabilities: Probabilities) -> bytes:
    with _plot("Holdout: receiver operating characteristic") as (axes, png):
        RocCurveDisplay.from_predictions(
            outcomes, probabilities, ax=axes, plot_chance_level=True, curve_kwargs={"color": _FIRST}
        )
        axes.set(xlabel="false approvals among the rejected", ylabel="true approvals among the approved")
    return png.getvalue()


def _precision_recall(outcomes: Outcomes, probabilities: Probabilities) -> bytes:
    with _plot("Holdout: precision and recall") as (axes, png):
        PrecisionRecallDisplay.from_predictions(
            outcomes, probabilities, ax=axes, plot_chance_level=True, curve_kwargs={"color": _FIRST}
        )
        axes.set(xlabel="recall", ylabel="precision")
    return png.getvalue()


def _calibration(outcomes: Outcomes, probabilities: Probabilities) -> bytes:
    figure = Figure(figsize=(6, 6), dpi=110)
    margins = {"left": 0.13, "right": 0.96, "bottom": 0.1, "top": 0.94}
    axes, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True, gridspec_kw=margins)
    CalibrationDisplay.from_predictions(outcomes, probabilities, n_bins=10, ax=axes, color=_FIRST)
    axes.set_title("Out of fold: probability and approval rate")
    axes.set(xlabel="", ylabel="approval rate")
    below.hist(probabilities, bins=np.linspace(0, 1, 11), color=_FIRST)
    below.set(xlabel="P(approved)", ylabel="applications")
    return _as_png(figure)


def _threshold(outcomes: Outcomes, probabilities: Probabilities, threshold: float) -> bytes:
    precision, recall, thresholds = precision_recall_curve(outcomes, probabilities)
    shown = np.unique(np.linspace(0, len(thresholds) - 1, _MOST_POINTS).astype("int64"))
    with _plot("Out of fold: effect of the threshold") as (axes, png):
        axes.plot(thresholds[shown], precision[shown], color=_FIRST, marker=".", label="precision")
        axes.plot(thresholds[shown], recall[shown], color=_SECOND, marker=".", label="recall")
        axes.axvline(threshold, color="black", linestyle="--", linewidth=1, label=f"chosen: {threshold:.3f}")
        axes.set(xlabel="threshold", ylabel="share", xlim=(-0.02, 1.02))
        axes.legend()
    return png.getvalue()


@contextmanager
def _plot(title: str) -> Iterator[tuple[Any, BytesIO]]:
    """Yield axes; the buffer has the PNG file after the block."""
    # Fixed margins, because a computed layout draws every figure twice.
    figure = Figure(figsize=(6, 5), dpi=110)
    axes = figure.subplots(gridspec_kw={"left": 0.13, "right": 0.96, "bottom": 0.12, "top": 0.92})
    png = BytesIO()
    yield axes, png
    axes.set_title(title)
    figure.savefig(png, format="png")


def _as_png(figure: Figure) -> bytes:
    png = BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()
