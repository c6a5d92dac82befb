"""The decision log's database, for commands."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from loan_api.entrypoints.commands.settings import settings_or_exit
from loan_api.errors import LoanError

if TYPE_CHECKING:
    from sqlalchemy import Connection

_PATIENCE = 20.0


@contextmanager
def database() -> Iterator["Connection"]:
    """Connect to the decision log for the duration of the block; a failure ends the command with a one-line error."""
    from loan_api.adapters.storage.database import connected

    try:
        with connected(settings_or_exit().database_url, patience=_PATIENCE) as connection:
            yield connection
    except (LoanError, OSError) as error:
        raise click.ClickException(str(error)) from error


def refuse_unknown_version(connection: "Connection", model_version: str | None) -> None:
    """Fail if no decision by that semantic version is recorded."""
    from loan_api.adapters.storage.decision_reader import has_decided

    if model_version is not None and not has_decided(connection, model_version):
        raise click.BadParameter("that version has no recorded decisions", param_hint="--model-version")


def warn_of_waiting() -> None:
    """Warn if some decisions are not in the database yet."""
    from loan_api.adapters.recording.journal import waiting_journals

    if waiting_journals(settings_or_exit().home.journals):
        click.echo("Warning: some decisions are still in the journal and are not included.", err=True)


def fail_for(unreadable: Sequence[str]) -> None:
    """End the command with an error that lists the unreadable records, if any."""
    if unreadable:
        listed = "\n".join(f"  {each}" for each in unreadable)
        raise click.ClickException(f"{len(unreadable)} records are damaged and were left out:\n{listed}")
