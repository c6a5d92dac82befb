"""Figures that the torture tests see: one JSON line each, in the file that `TORTURE_FIGURES` names."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "TORTURE_FIGURES"

Figure = str | int | float


def record_figures(name: str, figures: Mapping[str, Figure], *, table: str = "Faults") -> None:
    """Adds a row to a table of `docs/reliability.md`; does nothing where nobody collects figures.

    Keys are heads of columns; rows of one table should have the same ones. The last word on a name stands.
    """
    file = os.environ.get(VARIABLE)
    if file:
        line = json.dumps({"table": table, "name": name, "figures": figures})
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.write(f"{line}\n")
