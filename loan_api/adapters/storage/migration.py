"""Migration of the decision log's schema to the revision of the code, and protection of its files."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import exists, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from loan_api.adapters.storage.database import REVISION, open_engine
from loan_api.adapters.storage.failures import storage_error
from loan_api.adapters.storage.file_watch import BESIDE, quarantine_leftovers
from loan_api.adapters.storage.tables import batches, decisions
from loan_api.errors import StorageError
from loan_api.home import sqlite_path, sqlite_url
from loan_api.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = PROJECT_ROOT / "migrations"
_PATIENCE = 20.0


class NewerDatabaseError(StorageError):
    """A later version of the code has migrated the database, so this one may not understand it."""


def upgrade_database(url: str, *, may_create: bool = True) -> Sequence[Path]:
    """Bring the schema to the newest revision, one process at a time. Return leftovers that were quarantined.

    Creates a missing SQLite database and its folder if it `may_create` them: a file that goes missing later must be put
    back, not replaced with an empty one. An SQLite database becomes readable by its owner only. Leftovers are the
    write-ahead log of a removed database. Raises NewerDatabaseError, or StorageError if the database cannot be used.
    """
    from alembic import command
    from alembic.util import CommandError

    try:
        with _locked(url, may_create=may_create) as leftovers:
            if _known_revision(url) != REVISION:
                command.upgrade(migration_config(url), "head")
            return leftovers
    except SQLAlchemyError as error:
        raise storage_error(error) from error
    except (CommandError, OSError) as error:
        raise StorageError(f"the database cannot be migrated ({type(error).__name__})") from error


def migration_config(url: str, migrations: Path = MIGRATIONS) -> "Config":
    """Return Alembic's configuration for the database at `url`."""
    from alembic.config import Config

    config = Config()
    # A % in the path would start an interpolation.
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["url"] = url
    return config


def hidden_decisions(url: str, default: Path) -> bool:
    """Return whether `default`, an SQLite database other than the one at `url`, holds decisions."""
    file = sqlite_path(url)
    if not default.exists() or (file is not None and file.resolve() == default.resolve()):
        return False
    try:
        with open_engine(sqlite_url(default)).connect() as connection:
            tables = [table for table in (decisions, batches) if inspect(connection).has_table(table.name)]
            return any(connection.scalar(select(exists(select(table.c.id)))) for table in tables)
    except SQLAlchemyError:
        # A needless warning is better than a missing one.
        return True


def _known_revision(url: str) -> str | None:
    """Return the database's revision, None for an empty one. Raises NewerDatabaseError."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with open_engine(url, patience=_PATIENCE).connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(migration_config(url)).walk_revisions()}
    if revision is not None and revision not in known:
        raise NewerDatabaseError(
            f"the database is at revision {revision}, which this version of the code does not know: a newer one"
            " has migrated it. Run that version, or use it to downgrade the database to a revision known here."
        )
    return revision


@contextmanager
def _locked(url: str, *, may_create: bool) -> Iterator[Sequence[Path]]:
    """Keep other processes from creating an SQLite database during the block. Yield leftovers that were quarantined."""
    file = sqlite_path(url)
    if file is not None:
        if may_create:
            file.parent.mkdir(parents=True, exist_ok=True)
        elif not file.exists():
            raise StorageError("the database's file is missing")
        with file.with_name(f"{file.name}.migration-lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            leftovers = quarantine_leftovers(file) if may_create else ()
            if may_create:
                file.touch(mode=0o600)
            _make_private(file)
            yield leftovers
        return
    # On a server, the migration itself takes a lock.
    yield ()


def _make_private(file: Path) -> None:
    """Make the database readable by its owner only: a restored copy has the permissions chosen by its creator."""
    for path in (file, *(file.with_name(file.name + ending) for ending in BESIDE)):
        try:
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)
        except FileNotFoundError:
            continue
        except PermissionError as error:
            raise StorageError(
                f"{path.name} is readable by others and belongs to another user:"
                " give it to the service's user (chown), with mode 0600"
            ) from error
