"""`outcomes import`: report outcomes from a file."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loan_api.entrypoints.commands.settings import form_or_exit, settings_or_exit
from loan_api.errors import LoanError
from loan_api.formats.csv_text import MalformedCsvError, other_separator, read_csv
from loan_api.services.audit import DecisionName, OutcomeObserver, OutcomeReport

if TYPE_CHECKING:
    from loan_api.adapters.storage.archive import DatabaseArchive

_COLUMNS = ["decision_id", "outcome"]
# They complete "line 3 …", as the messages of MalformedCsvError do.
_MALFORMED = "must contain the id of a decision and 0 or 1"
_UNKNOWN = "names a decision that is not recorded"
# In one transaction, which blocks every other writer of an SQLite database.
_REPORTS_PER_TRANSACTION = 5000
_PAUSE_SECONDS = 0.05
_PATIENCE = 20.0


@click.group()
def outcomes() -> None:
    """Report the outcomes of decisions."""


@outcomes.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_file(file: Path) -> None:
    """Report the outcomes in FILE, a CSV with the header decision_id,outcome; an outcome is 1 (good) or 0 (bad).

    If any line is wrong or names an unknown decision, nothing is imported. Importing again changes nothing; the latest
    report about a decision wins.
    """
    from loan_api.adapters.metrics.imports import counted_imports
    from loan_api.adapters.storage.archive import DatabaseArchive

    settings = settings_or_exit()
    lines, wrong = _read(file)
    numbers, reports = list(lines), list(lines.values())
    try:
        archive = DatabaseArchive(form_or_exit(settings), settings.database_url, patience=_PATIENCE)
        wrong |= {numbers[place]: _UNKNOWN for place in archive.unknown([report.name for report in reports])}
        if wrong:
            raise click.ClickException(_complaint(file, wrong))
        # The last line about a decision counts, even if they are in different transactions.
        wanted = list({report.name: report for report in reports}.values())
        with counted_imports(settings.home.metrics(settings.port)) as observer:
            new = report_in_pieces(archive, observer, file.name, wanted)
    except LoanError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{new} outcomes were new, {len(reports) - new} were known already.")


def report_in_pieces(
    archive: "DatabaseArchive",
    observer: OutcomeObserver,
    source: str,
    reports: list[OutcomeReport],
    size: int = _REPORTS_PER_TRANSACTION,
) -> int:
    """Store the outcomes, `size` in a transaction, and return how many were new."""
    return sum(
        _report(archive, observer, source, reports[start : start + size]) for start in range(0, len(reports), size)
    )


def _report(archive: "DatabaseArchive", observer: OutcomeObserver, source: str, reports: list[OutcomeReport]) -> int:
    result = archive.report(reports, lambda: datetime.now(UTC), source)
    if result.unknown:
        raise click.ClickException("some decisions were purged during the import; import again to list their lines")
    observer.outcomes_reported(result.new)
    time.sleep(_PAUSE_SECONDS)
    return len(result.new)


def _read(file: Path) -> tuple[dict[int, OutcomeReport], dict[int, str]]:
    """Return the reports and the problems in the file, each by line number."""
    lines: dict[int, OutcomeReport] = {}
    wrong: dict[int, str] = {}
    try:
        numbered = read_csv(file.read_bytes())
        _check_header(file, [cell.strip() for cell in next(numbered, (1, []))[1]])
        for line, row in numbered:
            report = _parsed(row)
            if report is None:
                wrong[line] = _MALFORMED
            else:
                lines[line] = report
    except MalformedCsvError as error:
        wrong[error.line] = error.problem.rstrip(".")
        raise click.ClickException(_complaint(file, wrong)) from error
    except OSError as error:
        raise click.ClickException(f"{file.name} cannot be read ({type(error).__name__})") from error
    return lines, wrong


def _check_header(file: Path, header: list[str]) -> None:
    if separator := other_separator(header, _COLUMNS):
        raise click.ClickException(f"the cells of {file.name} are separated by {separator}; separate them by commas")
    if header != _COLUMNS:
        raise click.ClickException(f"{file.name} must begin with the line {','.join(_COLUMNS)}")


def _parsed(row: list[str]) -> OutcomeReport | None:
    cells = [cell.strip() for cell in row]
    if len(cells) != len(_COLUMNS) or cells[1] not in ("0", "1"):
        return None
    name = DecisionName.parse(cells[0])
    return None if name is None else OutcomeReport(name, int(cells[1]))


def _complaint(file: Path, wrong: dict[int, str]) -> str:
    named = [f"  line {number} {problem}" for number, problem in sorted(wrong.items())]
    return "\n".join([f"nothing of {file.name} was imported:", *named])
