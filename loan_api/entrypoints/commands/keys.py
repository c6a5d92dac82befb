"""`keys`: make, list and remove API keys. Only a key itself goes to standard output, so that it can be piped."""

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import click

from loan_api.adapters.keys.file import KeyFileError, add_key, read_keys, remove_key
from loan_api.entrypoints.commands.settings import settings_or_exit
from loan_api.formats.timestamps import utc_text
from loan_api.services.access import SCOPES, Scope


@click.group()
def keys() -> None:
    """Make, list and remove API keys in the file that API_KEYS_FILE names. A running service follows in a second."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    required=True,
    help="What it allows; give it once for each scope. `admin` includes the others.",
)
def add(name: str, scopes: tuple[str, ...]) -> None:
    """Make a key called NAME and print it, this once: only its hash is kept."""
    path = _key_file()
    try:
        key = add_key(path, name, cast(tuple[Scope, ...], scopes), datetime.now(UTC))
    except KeyFileError as error:
        raise _failed(path, error) from error
    click.echo(key)
    click.echo(f"This is the key {name}, shown only now; its hash is in {path}.", err=True)
    click.echo("Services that were started with that file accept it within a second.", err=True)


@keys.command("list")
def list_() -> None:
    """List the keys: name, scopes, since when."""
    path = _key_file()
    try:
        listed = read_keys(path)
    except KeyFileError as error:
        raise _failed(path, error) from error
    rows = [(key.name, ",".join(key.scopes), utc_text(key.created_at)) for key in listed]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for name, scopes, since in rows:
        click.echo(f"{name:{widths[0]}}  {scopes:{widths[1]}}  {since}")
    if not rows:
        click.echo(f"There is no key in {path}: everything that needs one is refused.", err=True)


@keys.command()
@click.argument("name")
def remove(name: str) -> None:
    """Take the key called NAME out of force."""
    path = _key_file()
    try:
        remove_key(path, name)
    except KeyFileError as error:
        raise _failed(path, error) from error
    click.echo(f"The key {name} is removed. GET /keys of a running service shows what is in force.", err=True)


def _key_file() -> Path:
    path = settings_or_exit().api_keys_file
    if path is None:
        raise click.ClickException("API_KEYS_FILE is not set; it names the file that the keys are kept in")
    return path


def _failed(path: Path, error: KeyFileError) -> click.ClickException:
    return click.ClickException(f"{path}: {error}")
