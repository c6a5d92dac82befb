"""`web-access`: configure the logins of Prometheus and Alertmanager."""

from pathlib import Path

import click
import yaml

from loan_api.secrets import read_or_make_password
from loan_api.settings import SettingsError

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("web-access")
@click.argument("template", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("file", type=_FILE)
@click.option(
    "--password-file",
    type=_FILE,
    required=True,
    help="Created with a random password, readable only by the owner, if missing.",
)
def web_access(template: Path, file: Path, password_file: Path) -> None:
    """Copy TEMPLATE to FILE with the hash of the password in --password-file for each user."""
    from loan_api.adapters.files.text_file import replace_file
    from loan_api.adapters.keys.web_access import with_password

    try:
        content = with_password(template.read_text(encoding="utf-8"), read_or_make_password(password_file))
        replace_file(file, content)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    except (ValueError, yaml.YAMLError) as error:
        raise click.ClickException(f"{template} with {password_file} is unusable: {error}") from error
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    click.echo(f"Wrote {file}. The password is in {password_file}.")
