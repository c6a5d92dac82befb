"""The decision log's database: its connection and its schema's revision."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from loan_api.credit.errors import StorageError

MIGRATIONS = Path(__file__).resolve().parent.parent.parent / "migrations"


class Database:
    """One database, opened when it is first used."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, pool_pre_ping=True)
        self._expected = ScriptDirectory(str(MIGRATIONS)).get_current_head()

    def check(self) -> None:
        """Raises StorageError unless the database answers and is at the revision of the code."""
        try:
            with self._engine.connect() as connection:
                revision = MigrationContext.configure(connection).get_current_revision()
        except SQLAlchemyError as error:
            raise StorageError(f"the database does not answer ({type(error).__name__})") from error
        if revision != self._expected:
            raise StorageError(f"the database is at revision {revision}, the code expects {self._expected}")

    def close(self) -> None:
        """Gives all connections back."""
        self._engine.dispose()


def upgrade_database(url: str) -> None:
    """Brings the schema to the newest revision; makes an SQLite database, and its folder, where there is none.

    Raises StorageError where the database does not answer.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    try:
        command.upgrade(migration_config(url), "head")
    except SQLAlchemyError as error:
        raise StorageError(f"the database cannot be migrated ({type(error).__name__})") from error


def migration_config(url: str) -> Config:
    """Alembic's configuration for the database at `url`."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config
