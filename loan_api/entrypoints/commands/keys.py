"""`keys`: create, list and remove API keys. Standard output carries only the data, so that it can be piped."""

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import click

from loan_api.adapters.files.text_file import UnusableFileError
from loan_api.adapters.keys.file import add_key, read_keys, remove_key
from loan_api.entrypoints.commands.settings import settings_or_exit
from loan_api.formats.timestamps import utc_text
from loan_api.services.access import SCOPES, Scope


@click.group()
def keys() -> None:
    """Manage the API keys in API_KEYS_FILE. Running services apply changes within a second."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    required=True,
    help="Scope to grant; repeat for several. `admin` includes all others.",
)
def add(name: str, scopes: tuple[str, ...]) -> None:
    """Create a key called NAME and print it. It cannot be shown again: only its hash is stored."""
    path = _key_file()
    try:
        key = add_key(path, name, cast(tuple[Scope, ...], scopes), datetime.now(UTC))
    except UnusableFileError as error:
        raise _failed(path, error) from error
    click.echo(key)
    click.echo(f"This is the key {name}. Save it now: only its hash is stored, in {path}.", err=True)
    click.echo("Services that use this file accept the key within a second.", err=True)


@keys.command("list")
def list_() -> None:
    """List all keys with their scopes and creation times."""
    path = _key_file()
    try:
        listed = read_keys(path)
    except UnusableFileError as error:
        raise _failed(path, error) from error
    rows = [(key.name, ",".join(key.scopes), utc_text(key.created_at)) for key in listed]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for name, scopes, since in rows:
        click.echo(f"{name:{widths[0]}}  {scopes:{widths[1]}}  {since}")
    if not rows:
        click.echo(f"{path} contains no keys: all requests that require one are refused.", err=True)


@keys.command()
@click.argument("name")
def remove(name: str) -> None:
    """Revoke the key called NAME."""
    path = _key_file()
    try:
        remove_key(path, name)
    except UnusableFileError as error:
        raise _failed(path, error) from error
    click.echo(f"The key {name} is revoked. GET /keys lists the keys in force.", err=True)


def _key_file() -> Path:
    path = settings_or_exit().api_keys_file
    if path is None:
        raise click.ClickException("API_KEYS_FILE is not set; set it to the path of the file with the keys")
    return path


def _failed(path: Path, error: UnusableFileError) -> click.ClickException:
    return click.ClickException(f"{path}: {error}")
