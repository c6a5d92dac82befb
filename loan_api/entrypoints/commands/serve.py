"""`init` and `serve`: start the service and prepare what it needs."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import click

from loan_api.entrypoints.commands.settings import form_or_exit, settings_or_exit
from loan_api.errors import LoanError, StorageError
from loan_api.home import sqlite_url
from loan_api.settings import PROJECT_ROOT, Settings, SettingsError

# Multiplies the time limits for the database.
_PATIENCE = 20.0
_GUNICORN = (sys.executable, "-m", "gunicorn", "-c", str(PROJECT_ROOT / "gunicorn.conf.py"), "--bind")


@click.command(short_help="Prepare the database and the secrets.")
def init() -> None:
    """Check the settings, migrate the database and generate the password for /metrics and the secret of the desk."""
    settings = _checked_settings()
    _prepare(settings, may_be_unavailable=False)


@click.command(short_help="Serve until Ctrl-C.")
@click.option("--announce", is_flag=True, help="Print the addresses as soon as the service is ready.")
def serve(announce: bool) -> None:
    """Prepare as `init` does, then serve under gunicorn until Ctrl-C.

    The service also starts if the database is unavailable; decisions are then recorded in the local journal.
    """
    from loan_api.entrypoints.server.listening import listen

    settings = _checked_settings()
    try:
        # First, so that starting on a port that is in use changes nothing.
        listener = listen(settings.host, settings.port)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    with listener:
        _prepare(settings, may_be_unavailable=True)
        if announce:
            subprocess.Popen([sys.executable, "-m", "loan_api.entrypoints.server.announcement"], cwd=PROJECT_ROOT)
        # Replace this process, so that signals reach gunicorn's master and nothing imported here uses its memory.
        listener.set_inheritable(True)
        os.chdir(PROJECT_ROOT)
        arguments = (*_GUNICORN, f"fd://{listener.fileno()}", "wsgi:app")
        os.execv(arguments[0], arguments)  # noqa: S606  # no shell is wanted


def _checked_settings() -> Settings:
    from loan_api.adapters.keys.followed import check_key_file
    from loan_api.adapters.policy.followed import check_policy_file
    from loan_api.secrets import START_CHECKS

    settings = settings_or_exit({**START_CHECKS, "API_KEYS_FILE": check_key_file})
    form = form_or_exit(settings)
    try:
        if settings.policy_path is not None:
            check_policy_file(form, settings.policy_path)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    return settings


def _prepare(settings: Settings, *, may_be_unavailable: bool) -> None:
    from loan_api.adapters.storage.migration import NewerDatabaseError, hidden_decisions, upgrade_database
    from loan_api.secrets import read_or_make_password

    try:
        read_or_make_password(settings.metrics_password_file)
        read_or_make_password(settings.desk_secret_file)
        default = settings.home.decisions_database
        if hidden_decisions(settings.database_url, default):
            click.echo(
                f"Warning: {default} holds earlier decisions, which the service does not find in the database of"
                f" DATABASE_URL. To look them up, export them with DATABASE_URL={sqlite_url(default)} `python -m"
                " loan_api decisions export FILE`, or serve that database with another LOAN_HOME and PORT.",
                err=True,
            )
        try:
            for leftover in upgrade_database(settings.database_url):
                click.echo(f"Warning: kept {leftover.name}, left over from a database that was removed.", err=True)
            if settings.policy_path is None and settings.decision_log == "on":
                _note_the_end_of_the_policy(settings.database_url)
        except NewerDatabaseError:
            raise
        except StorageError as error:
            if not may_be_unavailable:
                raise
            until_then = " Until it can be used, decisions are recorded in the local journal."
            click.echo(f"Warning: {error}.{until_then if settings.decision_log == 'on' else ''}", err=True)
    except (LoanError, SettingsError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _note_the_end_of_the_policy(url: str) -> None:
    """Record that no policy is in force, if there was one."""
    from loan_api.adapters.storage.decision_writer import DecisionWriter
    from loan_api.services.decision_id import new_id
    from loan_api.services.decision_log import PolicyActivation

    now = datetime.now(UTC)
    writer = DecisionWriter(url, patience=_PATIENCE)
    writer.write([], [], [PolicyActivation(new_id(now), now)])
    writer.close()
