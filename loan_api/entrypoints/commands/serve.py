"""`init` and `serve`: the service, and what it needs before it can start."""

import os
import subprocess
import sys

import click

from loan_api.entrypoints.commands.settings import settings_or_exit
from loan_api.errors import LoanError, StorageError
from loan_api.settings import PROJECT_ROOT, Settings, SettingsError

_GUNICORN = (sys.executable, "-m", "gunicorn", "-c", str(PROJECT_ROOT / "gunicorn.conf.py"), "wsgi:app")


@click.command()
def init() -> None:
    """Prepare what the service needs: the database at its newest revision, the password for /metrics."""
    _prepare(settings_or_exit())


@click.command()
@click.option("--announce", is_flag=True, help="Print the addresses as soon as the service can decide.")
def serve(announce: bool) -> None:
    """Prepare as `init` does, then serve under gunicorn until Ctrl-C.

    A database that does not answer does not keep the service from starting: until it does, decisions are recorded in
    the local journal.
    """
    settings = settings_or_exit()
    _prepare(settings, may_be_away=True)
    if announce:
        subprocess.Popen([sys.executable, "-m", "loan_api.entrypoints.server.announcement"], cwd=PROJECT_ROOT)
    # In place of this process, so that signals reach gunicorn's master and nothing imported here weighs on it.
    os.chdir(PROJECT_ROOT)
    os.execv(_GUNICORN[0], _GUNICORN)  # noqa: S606  # no shell is wanted


def _prepare(settings: Settings, *, may_be_away: bool = False) -> None:
    from loan_api.adapters.keys.followed import check_key_file
    from loan_api.adapters.storage.migration import NewerDatabaseError, upgrade_database
    from loan_api.secrets import read_or_make_password

    try:
        if settings.api_keys_file is not None:
            check_key_file(settings.api_keys_file)
        read_or_make_password(settings.metrics_password_file)
        try:
            for left in upgrade_database(settings.database_url):
                click.echo(
                    f"Warning: {left.name} is what was left of a database that was removed; it is kept.", err=True
                )
        except NewerDatabaseError:
            raise
        except StorageError as error:
            if not may_be_away:
                raise
            until_then = " Until it can be used, decisions are recorded in the local journal."
            click.echo(f"Warning: {error}.{until_then if settings.decision_log == 'on' else ''}", err=True)
    except (LoanError, SettingsError, OSError) as error:
        raise click.ClickException(str(error)) from error
