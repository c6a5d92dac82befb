"""The decision log's database, for commands."""

from collections.abc import Iterator
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
