"""Measurements of the torture tests: a JSON line each, in the file named by `TORTURE_FIGURES`."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "TORTURE_FIGURES"

Figure = str | int | float


def record_figures(name: str, figures: Mapping[str, Figure], *, table: str = "Faults") -> None:
    """Add a row to a table in `docs/reliability.md`. Does nothing if `TORTURE_FIGURES` is not set.

    The keys are column headings, which the rows of a table should share. The latest row with a name wins.
    """
    file = os.environ.get(VARIABLE)
    if file:
        line = json.dumps({"table": table, "name": name, "figures": figures})
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.write(f"{line}\n")
