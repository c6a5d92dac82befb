"""Output of the results: on the terminal, as a page and as JSON."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from tools.benchmarks.plan import Plan
from tools.benchmarks.results import Results
from tools.benchmarks.tables import Table, tables

_OPENING, _CLOSING = "<!-- measured -->", "<!-- /measured -->"
_NEW_PAGE = f"# Benchmarks\n\n{_OPENING}\n{_CLOSING}\n"
_METHOD = """\
One server runs at a time, with {workers} workers on loopback, started as users start it: the service with
`python -m loan_api serve` and default settings; `mlflow models serve --env-manager local` with the Production version
of the same registry; and a Flask view that returns a constant of the same size, under the service's
`gunicorn.conf.py`. The model is a {candidate}. Applications are random, generated from the declared features.

The servers alternate within each of {rounds} rounds. A figure is the median over the rounds, a ratio the median of the
rounds' ratios. Clients share the servers' processors. wrk sends single requests in a closed loop (one thread,
{single_seconds} s for each number of connections). The benchmark's own clients, each in its own process, send batches,
the fixed schedule and the load during promotions, with keep-alive and prebuilt requests. MLflow receives
`dataframe_split`, its fastest JSON format, on which the targets are based. Batches of 10,000 are also sent to it with
the same body as to the service, `{{"instances": [...]}}`, and reported in a separate row.
"""


class PageError(Exception):
    """The page has no markers for the results."""


def show(results: Results, console: Console) -> None:
    """Print every table."""
    for table in tables(results):
        drawn = RichTable(title=table.title, title_justify="left", caption=table.note or None, caption_justify="left")
        for number, name in enumerate(table.head):
            drawn.add_column(name, justify="right" if number else "left")
        for row in table.rows:
            drawn.add_row(*row, style="bold red" if "NOT MET" in row else None)
        console.print(drawn)


def write_page(page: Path, results: Results, plan: Plan) -> None:
    """Write the results between the markers of the page and keep everything else; create the page if it is missing.

    Raises PageError if the page has no markers.
    """
    before = page.read_text(encoding="utf-8") if page.exists() else _NEW_PAGE
    page.write_text(with_results(before, "\n".join(_lines(results, plan))), encoding="utf-8")


def with_results(page: str, measured: str) -> str:
    """Return `page` with `measured` between its markers. Raises PageError if it has none."""
    head, opening, rest = page.partition(_OPENING)
    _, closing, tail = rest.partition(_CLOSING)
    if not opening or not closing:
        raise PageError(f"the page has no place for the results: add {_OPENING} and {_CLOSING} where they belong")
    return f"{head}{opening}\n{measured.strip()}\n{closing}{tail}"


def write_json(file: Path, results: Results) -> None:
    """Write every single measurement."""
    file.write_text(json.dumps(asdict(results), indent=1) + "\n", encoding="utf-8")


def _lines(results: Results, plan: Plan) -> Iterator[str]:
    yield "Written by `make bench`; text outside the markers is kept.\n"
    machine, *others = [_markdown(table) for table in (_machine(results), *tables(results))]
    yield others[0]
    yield "## How it was measured\n"
    yield _METHOD.format(
        workers=results.workers,
        candidate=results.candidate.replace("_", " "),
        rounds=plan.rounds,
        single_seconds=plan.single_seconds,
    )
    yield machine
    yield from others[1:]


def _machine(results: Results) -> Table:
    return Table("Machine", ("", ""), tuple(results.machine.items()))


def _markdown(table: Table) -> str:
    head = [f"## {table.title}", "", _row(table.head), _row(("---", *("--:" for _ in table.head[1:])))]
    note = ["", table.note] if table.note else []
    return "\n".join([*head, *map(_row, table.rows), *note, ""])


def _row(words: tuple[str, ...]) -> str:
    return f"| {' | '.join(words)} |"
