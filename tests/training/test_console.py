"""The tables of training fit on a terminal."""

import io
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, cast

from rich.console import Console

from training.console import TrainingConsole
from training.selection.candidates import CANDIDATES, Candidate
from training.selection.evaluation import Evaluation


@dataclass
class Evaluated:
    """Stand in for an evaluation, with everything the table shows."""

    candidate: Candidate
    metrics: dict[str, float] = field(default_factory=lambda: defaultdict(lambda: 0.12345))


def test_the_comparison_of_all_candidates_fits_on_80_columns() -> None:
    output = io.StringIO()
    evaluations: list[Any] = [Evaluated(candidate) for candidate in CANDIDATES]
    console = TrainingConsole(Console(file=output, width=80, highlight=False, soft_wrap=True))
    console.show_comparison(cast(list[Evaluation], evaluations), max(evaluations, key=lambda e: len(e.candidate.name)))
    lines = output.getvalue().splitlines()
    assert len(lines) == 2 + len(CANDIDATES)
    assert "…" not in output.getvalue()
    assert all(line.count("0.1235") == 6 for line in lines[2:])
