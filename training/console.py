"""What a training run tells on the terminal: plain lines, a progress bar, a table."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from training.evaluation import Evaluation

_COLUMNS = {
    "cv F1": "cv_f1_mean",
    "±": "cv_f1_std",
    "cv Brier": "cv_brier_mean",
    "acc.": "accuracy",
    "prec.": "precision",
    "recall": "recall",
    "F1": "f1",
}


class TrainingConsole:
    """Writes to a terminal or, without one, plain text; nothing but `say` in quiet mode."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)

    def say(self, line: str) -> None:
        """One plain line."""
        self._console.print(line, markup=False)

    def warn(self, line: str) -> None:
        """One line that should not be overlooked."""
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
                yield evaluation

    def show_comparison(self, evaluations: Iterable[Evaluation], winner: Evaluation) -> None:
        """All candidates, best first; the winner marked."""
        table = Table(title="cv: cross-validation; the last four columns: holdout", box=None, padding=(0, 1, 0, 0))
        table.add_column("candidate", no_wrap=True)
        for title in _COLUMNS:
            table.add_column(title, justify="right", no_wrap=True)
        for evaluation in sorted(evaluations, key=lambda e: e.metrics["cv_f1_mean"], reverse=True):
            mark = " ◀" if evaluation is winner else ""
            numbers = [f"{evaluation.metrics[key]:.4f}" for key in _COLUMNS.values()]
            table.add_row(evaluation.candidate.name + mark, *numbers, style="bold" if evaluation is winner else None)
        self._console.print(table)
