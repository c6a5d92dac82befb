"""What training tells on the terminal: plain lines, a progress bar, tables. The execution log gets all of it, too."""

import io
import logging
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from training.registry.gate import Verdict
from training.registry.history import Event
from training.selection.evaluation import Evaluation
from training.tracking.comparison import Change, RunComparison

_COLUMNS = {
    "cv F1": "cv_f1_mean",
    "±": "cv_f1_std",
    "cv Brier": "cv_brier_mean",
    "acc.": "accuracy",
    "prec.": "precision",
    "recall": "recall",
    "F1": "f1",
}
# Below the first little has changed, above the second much has (Siddiqi, Credit Risk Scorecards, 2006).
_PSI_SOME, _PSI_MUCH = 0.1, 0.25
_LOG_WIDTH = 160

_log = logging.getLogger("training")


class TrainingConsole:
    """Writes to a terminal or, without one, plain text."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)

    def say(self, line: str) -> None:
        """One plain line."""
        _log.info("%s", line)
        self._console.print(line, markup=False)

    def warn(self, line: str) -> None:
        """One line that should not be overlooked."""
        _log.warning("%s", line)
        self._console.print(line, style="bold yellow", markup=False)

    def follow(self, evaluations: Iterable[Evaluation], total: int) -> Iterator[Evaluation]:
        """Passes the evaluations on while a bar shows how many of `total` are there."""
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
        """All candidates, best first; the winner marked."""
        table = _table("cv: cross-validation; the last four columns: holdout", "candidate", _COLUMNS)
        for evaluation in sorted(evaluations, key=lambda e: e.metrics["cv_f1_mean"], reverse=True):
            mark = " ◀" if evaluation is winner else ""
            numbers = [f"{evaluation.metrics[key]:.4f}" for key in _COLUMNS.values()]
            table.add_row(evaluation.candidate.name + mark, *numbers, style="bold" if evaluation is winner else None)
        self._show(table)

    def show_verdict(self, verdict: Verdict) -> None:
        """Every check of the promotion gate with its numbers."""
        table = Table(title="promotion gate", show_header=False, box=None, padding=(0, 1, 0, 0), title_justify="left")
        for check in verdict.checks:
            table.add_row("passed" if check.passed else "REFUSED", check.name, check.says)
        self._show(table)

    def show_history(self, events: Sequence[Event], *, still_serving: bool) -> None:
        """Who was in Production from when until when, the newest first; `still_serving` where the last one is."""
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
        """What changed between two runs."""
        if comparison.same_data:
            self.say("The same data.")
        else:
            self._show_changes("data", comparison.data)
            drift = _table("drift of the features", "feature", ["PSI", ""])
            for name, psi in sorted(comparison.drift.items(), key=lambda item: -item[1]):
                drift.add_row(name, f"{psi:.4f}", "much" if psi > _PSI_MUCH else "some" if psi > _PSI_SOME else "")
            self._show(drift)
        self._show_changes("parameters", comparison.parameters)
        self._show_changes("metrics", comparison.metrics)

    def _show_changes(self, title: str, changes: Sequence[Change]) -> None:
        if not changes:
            self.say(f"The same {title}.")
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
    """A table with a column of names and columns of numbers."""
    table = Table(title=title, box=None, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column(first, no_wrap=True)
    for other in others:
        table.add_column(other, justify="right", no_wrap=True)
    return table
