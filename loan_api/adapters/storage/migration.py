"""Brings the decision log's schema to the revision of the code."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from loan_api.adapters.storage.database import REVISION, open_engine, sqlite_file, unanswered
from loan_api.adapters.storage.file_watch import put_left_over_aside
from loan_api.errors import StorageError
from loan_api.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = PROJECT_ROOT / "migrations"
# Any number that no other user of the database takes.
_ADVISORY_LOCK = 5_224_113
_PATIENCE = 20.0


class NewerDatabaseError(StorageError):
    """A later version of the code has migrated the database: this one would not understand what is there."""


def upgrade_database(url: str, *, may_make: bool = True) -> Sequence[Path]:
    """Brings the schema to the newest revision; makes an SQLite database, and its folder, where there is none.

    Unless it may not: a file that went missing is to be put back, not to be replaced by an empty one. Several processes
    may do so at once; one after the other gets to it. Returns what was left of a removed database and is put aside, as
    a new one was made. Raises NewerDatabaseError, or StorageError where the database does not answer.
    """
    from alembic import command
    from alembic.util import CommandError

    try:
        with _alone(url, may_make=may_make) as put_aside:
            if _known_revision(url) != REVISION:
                command.upgrade(migration_config(url), "head")
            return put_aside
    except SQLAlchemyError as error:
        raise unanswered(error) from error
    except (CommandError, OSError) as error:
        raise StorageError(f"the database cannot be migrated ({type(error).__name__})") from error


def migration_config(url: str) -> "Config":
    """Alembic's configuration for the database at `url`."""
    from alembic.config import Config

    config = Config()
    # A % in the path would start an interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["url"] = url
    return config


def _known_revision(url: str) -> str | None:
    """The revision that the database is at, None where it is empty. Raises NewerDatabaseError."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with open_engine(url, patience=_PATIENCE).connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(migration_config(url)).walk_revisions()}
    if revision is not None and revision not in known:
        raise NewerDatabaseError(
            f"the database is at revision {revision}, which this version of the code does not know: a newer one"
            " has migrated it. Run that version, or take the database down to a revision known here with it."
        )
    return revision


@contextmanager
def _alone(url: str, *, may_make: bool) -> Iterator[Sequence[Path]]:
    """Keeps other processes from migrating the same database while the block runs; gives what it has put aside."""
    file = sqlite_file(url)
    if file is not None:
        if may_make:
            file.parent.mkdir(parents=True, exist_ok=True)
        elif not file.exists():
            raise StorageError("the database's file is missing")
        with file.with_name(f"{file.name}.migration-lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            put_aside = put_left_over_aside(file) if may_make else ()
            if may_make:
                file.touch(mode=0o600)
            yield put_aside
        return
    engine = open_engine(url, patience=_PATIENCE)
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            # Held until the connection is closed.
            connection.execute(text(f"SELECT pg_advisory_lock({_ADVISORY_LOCK})"))
        yield ()
