"""Alembic's environment: migrates the database named by `loan_api.adapters.storage`, or by DATABASE_URL."""

from alembic import context
from sqlalchemy import make_url

from loan_api.adapters.storage.database import open_engine
from loan_api.adapters.storage.tables import metadata
from loan_api.settings import read_settings

# Migrating a hundred million rows takes time; for a locked SQLite database it is better to retry later.
_PATIENCE = {"postgresql": 1000.0, "sqlite": 20.0}
# Arbitrary, but no other user of the database may take it.
_MIGRATION_LOCK = 5_224_113


def migrate() -> None:
    """Run the migrations in one transaction, one process at a time. A killed migration changes nothing."""
    url = context.config.attributes.get("url") or read_settings().database_url
    with open_engine(url, patience=_PATIENCE[make_url(url).get_backend_name()]).begin() as connection:
        if connection.dialect.name == "sqlite":
            # Python's driver would not begin a transaction for DDL.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        # SQLite cannot alter most things in place; batch mode rebuilds the table instead.
        context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True)
        context.run_migrations()


migrate()
