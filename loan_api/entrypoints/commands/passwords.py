"""`passwords`: create random passwords for services that read them from files."""

from pathlib import Path

import click

from loan_api.secrets import read_or_make_password
from loan_api.settings import SettingsError


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
def passwords(files: tuple[Path, ...]) -> None:
    """Write a random password to each of FILES, readable only by the owner. Existing files are kept."""
    for file in files:
        try:
            read_or_make_password(file)
        except SettingsError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {error.strerror}") from error
