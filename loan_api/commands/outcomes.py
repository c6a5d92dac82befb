"""`outcomes import`: what became of decisions, from a file."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from loan_api.commands.settings import settings_or_exit
from loan_api.credit.errors import LoanError
from loan_api.services.audit import DecisionName, Telling

_COLUMNS = ["decision_id", "outcome"]
_SHOWN_LINES = 20
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
    from loan_api.storage.archive import DatabaseArchive

    lines = dict(_read(file))
    try:
        archive = DatabaseArchive(settings_or_exit().database_url, patience=_PATIENCE)
        result = archive.tell(list(lines.values()), datetime.now(UTC), file.name)
    except LoanError as error:
        raise click.ClickException(str(error)) from error
    if result.unknown:
        numbers = list(lines)
        raise click.ClickException(
            _complaint("no decision with this id is recorded", [numbers[p] for p in result.unknown])
        )
    click.echo(f"{len(result.new)} outcomes were new, {len(lines) - len(result.new)} were known already.")


def _read(file: Path) -> Iterator[tuple[int, Telling]]:
    """The outcomes by the number of their line."""
    wrong: list[int] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.reader(opened, strict=True)
            if [cell.strip() for cell in next(reader, [])] != _COLUMNS:
                raise click.ClickException(f"{file.name} must begin with the line {','.join(_COLUMNS)}")
            for row in reader:
                if not row:
                    continue
                telling = _telling(row)
                if telling is None:
                    wrong.append(reader.line_num)
                else:
                    yield reader.line_num, telling
    except (csv.Error, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file.name} is not valid CSV in UTF-8") from error
    if wrong:
        raise click.ClickException(_complaint("not the id of a decision and 0 or 1", wrong))


def _telling(row: list[str]) -> Telling | None:
    cells = [cell.strip() for cell in row]
    if len(cells) != len(_COLUMNS) or cells[1] not in ("0", "1"):
        return None
    name = DecisionName.parse(cells[0])
    return None if name is None else Telling(name, int(cells[1]))


def _complaint(what: str, lines: list[int]) -> str:
    named = ", ".join(map(str, lines[:_SHOWN_LINES]))
    more = f" and {len(lines) - _SHOWN_LINES} more" if len(lines) > _SHOWN_LINES else ""
    return f"nothing was imported; {what}: line {named}{more}"
