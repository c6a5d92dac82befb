"""Terminal output of training: lines, a progress bar and tables. All of it also goes to the execution log."""

import io
import logging
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from loan_api.scoring.promotions import Event
from training.registry.gate import Verdict
from training.selection.evaluation import Evaluation
from training.tracking.comparison import Change, RunComparison

# With the longest candidate name, these fit on an 80-column terminal.
_COLUMNS = {
    "cv log loss": "cv_log_loss_mean",
    "±": "cv_log_loss_std",
    "log loss": "log_loss",
    "Brier": "brier",
    "AUC": "roc_auc",
    "F1": "f1",
}
# Limits of a small and a large change (Siddiqi, Credit Risk Scorecards, 2006).
_PSI_MODERATE, _PSI_LARGE = 0.1, 0.25
_LOG_WIDTH = 160

_log = logging.getLogger("training")


class TrainingConsole:
    """Writes to the terminal, or plain text if the output is not a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)

    def say(self, line: str) -> None:
        """Print a line."""
        _log.info("%s", line)
        self._console.print(line, markup=False)

    def warn(self, line: str) -> None:
        """Print a warning."""
        _log.warning("%s", line)
        self._console.print(line, style="bold yellow", markup=False)

    def follow(self, evaluations: Iterable[Evaluation], total: int) -> Iterator[Evaluation]:
        """Yield the evaluations and show a progress bar towards `total`."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task("training candidates", total=total)
            for evaluation in evaluations:
                progress.advance(task)
                _log.info("%s fitted in %.2f s", evaluation.candidate.name, evaluation.timings["fit_seconds"])
                yield evaluation

    def show_comparison(self, evaluations: Iterable[Evaluation], winner: Evaluation) -> None:
        """Print a table of all candidates, best first, with the winner marked."""
        table = _table("cv: cross-validation; last four columns: holdout", "candidate", _COLUMNS)
        for evaluation in sorted(evaluations, key=lambda e: e.metrics["cv_log_loss_mean"]):
            mark = " ◀" if evaluation is winner else ""
            numbers = [f"{evaluation.metrics[key]:.4f}" for key in _COLUMNS.values()]
            table.add_row(evaluation.candidate.name + mark, *numbers, style="bold" if evaluation is winner else None)
        self._show(table)

    def show_verdict(self, verdict: Verdict) -> None:
        """Print every check of the promotion gate with its numbers."""
        table = Table(title="promotion gate", show_header=False, box=None, padding=(0, 1, 0, 0), title_justify="left")
        for check in verdict.checks:
            table.add_row("passed" if check.passed else "REFUSED", check.name, check.says)
        self._show(table)

    def show_history(self, events: Sequence[Event], *, still_serving: bool) -> None:
        """Print the Production periods, newest first. With `still_serving`, the last one lasts until today."""
        table = Table(box=None, padding=(0, 2, 0, 0))
        for title in ("version", "registry", "from (UTC)", "until (UTC)", "by", "how"):
            table.add_column(title, no_wrap=True)
        ends = [*(f"{event.at:%Y-%m-%d %H:%M:%S}" for event in events[1:]), "today" if still_serving else "unknown"]
        for event, end in reversed(list(zip(events, ends, strict=True))):
            table.add_row(
                event.semantic_version, event.version, f"{event.at:%Y-%m-%d %H:%M:%S}", end, event.by, event.action
            )
        self._show(table)

    def show_differences(self, comparison: RunComparison) -> None:
        """Print the differences between two runs."""
        if comparison.same_data:
            self.say("Same data.")
        else:
            self._show_changes("data", comparison.data)
            drift = _table("feature drift", "feature", ["PSI", ""])
            for name, psi in sorted(comparison.drift.items(), key=lambda item: -item[1]):
                drift.add_row(
                    name, f"{psi:.4f}", "large" if psi > _PSI_LARGE else "moderate" if psi > _PSI_MODERATE else ""
                )
            self._show(drift)
        self._show_changes("parameters", comparison.parameters)
        self._show_changes("metrics", comparison.metrics)

    def _show_changes(self, title: str, changes: Sequence[Change]) -> None:
        if not changes:
            self.say(f"Same {title}.")
            return
        table = Table(title=title, box=None, padding=(0, 2, 0, 0), title_justify="left")
        table.add_column("", no_wrap=True, min_width=max(len(change.what) for change in changes))
        for moment in ("before", "after"):
            table.add_column(moment, overflow="fold")
        for change in changes:
            table.add_row(change.what, change.before, change.after)
        self._show(table)

    def _show(self, table: Table) -> None:
        self._console.print(table)
        text = io.StringIO()
        Console(file=text, width=_LOG_WIDTH).print(table)
        _log.info("\n%s", text.getvalue().rstrip())


def _table(title: str, first: str, others: Iterable[str]) -> Table:
    """Make a table with a column of names and columns of numbers."""
    table = Table(title=title, box=None, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column(first, no_wrap=True)
    for other in others:
        table.add_column(other, justify="right", no_wrap=True)
    return table
