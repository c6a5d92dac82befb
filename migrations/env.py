"""How Alembic reaches the database: the URL comes from `loan_api.storage`, or from DATABASE_URL on the command line."""

from alembic import context

from loan_api.settings import read_settings
from loan_api.storage.database import open_engine
from loan_api.storage.tables import metadata

# A table with a hundred million rows takes its time.
_PATIENCE = 1000.0


def migrate() -> None:
    """Runs the migrations in one transaction, where the database can."""
    url = context.config.attributes.get("url") or read_settings().database_url
    with open_engine(url, patience=_PATIENCE).connect() as connection:
        # SQLite cannot alter most things in place; batch mode rebuilds the table instead.
        context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True)
        with context.begin_transaction():
            context.run_migrations()


migrate()
