"""Connect Alembic to the database named by `loan_api.adapters.storage`, or by DATABASE_URL on the command line."""

from alembic import context
from sqlalchemy import make_url

from loan_api.adapters.storage.database import open_engine
from loan_api.adapters.storage.tables import metadata
from loan_api.settings import read_settings

# A table with a hundred million rows takes its time; what is locked is better tried again later.
_PATIENCE = {"postgresql": 1000.0, "sqlite": 20.0}


def migrate() -> None:
    """Runs the migrations in one transaction: after a kill in the midst of it, nothing has been changed."""
    url = context.config.attributes.get("url") or read_settings().database_url
    with open_engine(url, patience=_PATIENCE[make_url(url).get_backend_name()]).begin() as connection:
        if connection.dialect.name == "sqlite":
            # Python's driver would begin none for what changes tables.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        # SQLite cannot alter most things in place; batch mode rebuilds the table instead.
        context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True)
        context.run_migrations()


migrate()
