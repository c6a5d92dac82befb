"""The decision log's database: its connection and its schema's revision."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from loan_api.credit.errors import StorageError

if TYPE_CHECKING:
    from alembic.config import Config

# The newest of the migrations, which a worker need not import Alembic to know.
REVISION = "0001"
MIGRATIONS = Path(__file__).resolve().parent.parent.parent / "migrations"


class Database:
    """One database, opened when it is first used."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, pool_pre_ping=True)

    def check(self) -> None:
        """Raises StorageError unless the database answers and is at the revision of the code."""
        try:
            with self._engine.connect() as connection:
                revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except SQLAlchemyError as error:
            raise StorageError(f"the database does not answer or is not migrated ({type(error).__name__})") from error
        if revision != REVISION:
            raise StorageError(f"the database is at revision {revision}, the code expects {REVISION}")

    def close(self) -> None:
        """Gives all connections back."""
        self._engine.dispose()


def upgrade_database(url: str) -> None:
    """Brings the schema to the newest revision; makes an SQLite database, and its folder, where there is none.

    Raises StorageError where the database does not answer.
    """
    from alembic import command

    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    try:
        command.upgrade(migration_config(url), "head")
    except SQLAlchemyError as error:
        raise StorageError(f"the database cannot be migrated ({type(error).__name__})") from error


def migration_config(url: str) -> "Config":
    """Alembic's configuration for the database at `url`."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config
