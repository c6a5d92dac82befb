"""The decision log's schema: up, down, and no difference between migrations and tables."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from loan_api.credit.errors import StorageError
from loan_api.storage.decision_writer import DecisionWriter
from loan_api.storage.migration import migration_config, upgrade_database
from loan_api.storage.tables import metadata


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/new/folder/decisions.db"


def test_an_upgraded_database_is_what_the_tables_declare(url: str) -> None:
    upgrade_database(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_upgrading_again_changes_nothing(url: str) -> None:
    upgrade_database(url)
    upgrade_database(url)
    writer = DecisionWriter(url)
    writer.write([], [])
    writer.close()


def test_it_can_be_taken_down_again(url: str) -> None:
    upgrade_database(url)
    command.downgrade(migration_config(url), "base")
    engine = create_engine(url)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_a_database_at_another_revision_is_not_ok(url: str) -> None:
    upgrade_database(url)
    command.downgrade(migration_config(url), "base")
    writer = DecisionWriter(url)
    with pytest.raises(StorageError, match="revision None, the code expects 0002"):
        writer.write([], [])
    writer.close()


def test_a_database_that_does_not_answer_is_told_without_details(tmp_path: Path) -> None:
    (tmp_path / "file.db").write_bytes(b"this is no database at all, whatever its name says")
    for url in ("sqlite:////proc/no/such/place.db", f"sqlite:///{tmp_path}/file.db"):
        writer = DecisionWriter(url)
        with pytest.raises(StorageError, match=r"the database does not answer or is not migrated \(\w+\)$"):
            writer.write([], [])
        writer.close()
