"""Write measurements into docs/reliability.md: `python -m tests.support.reliability_page FIGURES`."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from loan_api.settings import PROJECT_ROOT
from tests.support.figures import Figure
from tools.benchmarks.machine import describe_machine
from tools.benchmarks.report import with_results

PAGE = PROJECT_ROOT / "docs" / "reliability.md"

# Figures by table, row and column.
Tables = dict[str, dict[str, dict[str, Figure]]]


def read_tables(lines: Iterable[str]) -> Tables:
    """Return tables and rows in order of first appearance; the latest version of a row wins."""
    tables: Tables = {}
    for line in lines:
        record = json.loads(line)
        tables.setdefault(record["table"], {})[record["name"]] = record["figures"]
    return tables


def markdown(tables: Tables) -> Iterator[str]:
    """Yield the lines of all tables."""
    for title, rows in tables.items():
        heads = list(dict.fromkeys(head for figures in rows.values() for head in figures))
        yield f"### {title}\n"
        yield _row(["", *heads])
        yield _row(["---", *("--:" if _is_number(rows, head) else "---" for head in heads)])
        for name, figures in rows.items():
            yield _row([name, *(_text(figures.get(head, "")) for head in heads)])
        yield ""


def _is_number(rows: dict[str, dict[str, Figure]], head: str) -> bool:
    return all(not isinstance(figures.get(head, 0), str) for figures in rows.values())


def _text(figure: Figure) -> str:
    return figure if isinstance(figure, str) else f"{figure:,}"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(file: Path) -> None:
    """Replace the part of the page between its markers."""
    with file.open(encoding="utf-8") as lines:
        tables = markdown(read_tables(lines))
    machine = ", ".join(f"{what}: {value}" for what, value in describe_machine("").items() if what in _SHOWN)
    measured = "\n".join(["Written by `make torture`.\n", f"{machine}.\n", *tables])
    PAGE.write_text(with_results(PAGE.read_text(encoding="utf-8"), measured), encoding="utf-8")


_SHOWN = ("processor", "memory", "system", "python", "load average before")

if __name__ == "__main__":
    main(Path(sys.argv[1]))
