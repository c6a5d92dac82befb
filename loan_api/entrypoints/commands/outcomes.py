"""`outcomes import`: what became of decisions, from a file."""

import csv
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loan_api.entrypoints.commands.settings import settings_or_exit
from loan_api.errors import LoanError
from loan_api.services.audit import DecisionName, OutcomeObserver, Telling

if TYPE_CHECKING:
    from loan_api.adapters.storage.archive import DatabaseArchive

_COLUMNS = ["decision_id", "outcome"]
_MALFORMED = "not the id of a decision and 0 or 1"
_UNKNOWN = "no decision with this id is recorded"
# In one transaction: nobody else writes into an SQLite database meanwhile.
_TOLD_AT_ONCE = 5000
_PAUSE_SECONDS = 0.05
_PATIENCE = 20.0


@click.group()
def outcomes() -> None:
    """Tell what became of decisions."""


@outcomes.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_file(file: Path) -> None:
    """Tell the outcomes in FILE, a CSV with the header decision_id,outcome; an outcome is 1 (good) or 0 (bad).

    All of them or, if a line is wrong or names an unknown decision, none. It may be repeated: the last word stands.
    """
    from loan_api.adapters.metrics.imports import counted_imports
    from loan_api.adapters.storage.archive import DatabaseArchive

    settings = settings_or_exit()
    lines, wrong = _read(file)
    numbers, tellings = list(lines), list(lines.values())
    try:
        archive = DatabaseArchive(settings.database_url, patience=_PATIENCE)
        wrong |= {numbers[place]: _UNKNOWN for place in archive.unknown([telling.name for telling in tellings])}
        if wrong:
            raise click.ClickException(_complaint(file, wrong))
        # Of several lines about one decision the last stands, also where they lie far apart.
        wanted = list({telling.name: telling for telling in tellings}.values())
        with counted_imports(settings.home.metrics(settings.port)) as observer:
            new = sum(
                _tell(archive, observer, file, wanted[start : start + _TOLD_AT_ONCE]) for start in _starts(wanted)
            )
    except LoanError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{new} outcomes were new, {len(tellings) - new} were known already.")


def _tell(archive: "DatabaseArchive", observer: OutcomeObserver, file: Path, tellings: list[Telling]) -> int:
    """How many were new."""
    result = archive.tell(tellings, datetime.now(UTC), file.name)
    if result.unknown:
        raise click.ClickException("decisions were purged meanwhile; import again to see which lines are about them")
    observer.outcomes_told(result.new)
    time.sleep(_PAUSE_SECONDS)
    return len(result.new)


def _starts(tellings: list[Telling]) -> range:
    return range(0, len(tellings), _TOLD_AT_ONCE)


def _read(file: Path) -> tuple[dict[int, Telling], dict[int, str]]:
    """By the number of their line: the outcomes, and what is wrong with the lines that are none."""
    lines: dict[int, Telling] = {}
    wrong: dict[int, str] = {}
    begun = 1
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.reader(opened, strict=True)
            if [cell.strip() for cell in next(reader, [])] != _COLUMNS:
                raise click.ClickException(f"{file.name} must begin with the line {','.join(_COLUMNS)}")
            begun = reader.line_num + 1
            for row in reader:
                telling = _telling(row)
                if telling is not None:
                    lines[reader.line_num] = telling
                elif row:
                    wrong[reader.line_num] = _MALFORMED
                begun = reader.line_num + 1
    except csv.Error as error:
        what = "from there on it is not valid CSV (a quote is not closed, or a cell is too long)"
        raise click.ClickException(_complaint(file, wrong | {begun: what})) from error
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file.name} is not valid CSV in UTF-8") from error
    except OSError as error:
        raise click.ClickException(f"{file.name} cannot be read ({type(error).__name__})") from error
    return lines, wrong


def _telling(row: list[str]) -> Telling | None:
    cells = [cell.strip() for cell in row]
    if len(cells) != len(_COLUMNS) or cells[1] not in ("0", "1"):
        return None
    name = DecisionName.parse(cells[0])
    return None if name is None else Telling(name, int(cells[1]))


def _complaint(file: Path, wrong: dict[int, str]) -> str:
    named = [f"  line {number}: {what}" for number, what in sorted(wrong.items())]
    return "\n".join([f"nothing of {file.name} was imported:", *named])
