"""Migrations of the decision log: upgrades, downgrades, and agreement with the declared tables."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from click.testing import CliRunner
from sqlalchemy import Connection, inspect, text

from loan_api.adapters.storage.archive import DatabaseArchive
from loan_api.adapters.storage.database import REVISION, open_engine
from loan_api.adapters.storage.decision_writer import DecisionWriter
from loan_api.adapters.storage.migration import NewerDatabaseError, migration_config, upgrade_database
from loan_api.adapters.storage.tables import metadata
from loan_api.entrypoints.commands import cli
from loan_api.errors import StorageError
from loan_api.services.audit import DecisionName, FoundDecision, RecordedBatch
from loan_api.settings import PROJECT_ROOT
from tests.support.forms import SHIPPED
from tests.support.ledger import Ledger

_OLD_ROW = """INSERT INTO decisions
    (id, request_id, decided_at, endpoint, model_name, registry_version, semantic_version, features, probability,
     threshold, prediction)
    VALUES ('d-1', 'r-1', '2024-03-13 10:30:00.123456+00:00', 'single', 'm', '1', '1.0.0', '{"loan_term":5.0}', 0.75,
     0.5, 1)"""


def test_an_upgraded_database_is_what_the_tables_declare(database_url: str) -> None:
    upgrade_database(database_url)
    with open_engine(database_url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == REVISION


def test_a_service_that_starts_again_does_not_wait_for_a_lock(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/decisions.db"
    upgrade_database(url)
    with closing(sqlite3.connect(tmp_path / "decisions.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        upgrade_database(url)


@pytest.mark.parametrize("is_empty", [False, True])
def test_what_is_left_of_a_removed_database_is_kept_out_of_the_next_one(tmp_path: Path, is_empty: bool) -> None:
    """Keep a leftover write-ahead log, as SQLite would delete it together with the latest decisions."""
    file = tmp_path / "decisions.db"
    assert list(upgrade_database(f"sqlite:///{file}")) == []
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(_OLD_ROW)
        database.commit()
        # As after a kill, nothing is checkpointed into the database.
        old = {path.name: path.read_bytes() for path in tmp_path.glob("decisions.db*")}
    for path in tmp_path.glob("decisions.db*"):
        path.unlink()
    (tmp_path / "decisions.db-wal").write_bytes(old["decisions.db-wal"])
    if is_empty:
        file.touch()
    environ = {"LOAN_HOME": str(tmp_path / "home"), "DATABASE_URL": f"sqlite:///{file}"}
    result = CliRunner().invoke(cli, ["init"], env=environ)
    [kept] = tmp_path.glob("decisions.db-wal.left-*")
    assert (result.exit_code, result.output.count(kept.name)) == (0, 1)
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM decisions").fetchone() == (0,)
    file.write_bytes(old["decisions.db"])
    kept.rename(tmp_path / "decisions.db-wal")
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT id FROM decisions").fetchall() == [("d-1",)]


def test_upgrading_again_changes_nothing(database_url: str) -> None:
    upgrade_database(database_url)
    upgrade_database(database_url)
    writer = DecisionWriter(database_url)
    writer.write([], [])
    writer.close()


def test_it_can_be_taken_down_and_up_again(database_url: str) -> None:
    upgrade_database(database_url)
    command.downgrade(migration_config(database_url), "base")
    with open_engine(database_url).connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    test_an_upgraded_database_is_what_the_tables_declare(database_url)


def test_decisions_survive_each_step_up_and_down(database_url: str) -> None:
    upgrade_database(database_url)
    config = migration_config(database_url)
    command.downgrade(config, "0001")
    engine = open_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text(_OLD_ROW.replace(":", r"\:")))
    for step in (command.upgrade, command.downgrade, command.upgrade):
        step(config, "0002" if step is command.upgrade else "0001")
        with engine.connect() as connection:
            row = connection.execute(text("SELECT id, features, probability, prediction FROM decisions")).one()
        features = json.loads(row.features) if isinstance(row.features, str) else row.features
        assert (row.id, features, row.probability, row.prediction) == ("d-1", {"loan_term": 5.0}, 0.75, 1)


def test_decisions_from_before_policies_keep_their_meaning(database_url: str) -> None:
    """Nothing is rewritten: the migration of a large table must not block others."""
    upgrade_database(database_url)
    ledger = Ledger(database_url)
    approved, rejected, batch_id = (
        ledger.single(probability=0.9),
        ledger.single(probability=0.1),
        ledger.batch(0.9, 0.1),
    )
    config = migration_config(database_url)
    command.downgrade(config, "0002")
    engine = open_engine(database_url)
    with engine.connect() as connection:
        assert not inspect(connection).has_table("policies")
    upgrade_database(database_url)
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT id, decision, rule, policy FROM decisions ORDER BY id")).all()
        assert [tuple(row) for row in kept] == [(each, None, None, None) for each in (approved, rejected)]
    archive = DatabaseArchive(SHIPPED, database_url)

    def decision(decision_id: str) -> str:
        found = archive.find(DecisionName.parse(decision_id) or DecisionName(""))
        assert isinstance(found, FoundDecision)
        assert (found.decision.verdict.rule, found.decision.policy) == (None, None)
        return found.decision.verdict.decision

    assert [decision(each) for each in (approved, rejected)] == ["approve", "decline"]
    assert [decision(f"{batch_id}:{row}") for row in range(2)] == ["approve", "decline"]
    whole = archive.find(DecisionName(batch_id))
    assert isinstance(whole, RecordedBatch)
    assert (whole.approved, whole.referred, whole.declined, whole.policy) == (1, 0, 1, None)


def test_a_migration_that_is_cut_short_changes_nothing(database_url: str) -> None:
    upgrade_database(database_url)
    command.downgrade(migration_config(database_url), "0001")
    engine = open_engine(database_url)
    with engine.begin() as connection:
        # Fail only after the decisions were moved.
        connection.execute(text("CREATE TABLE outcomes (id INTEGER)"))
        before = _schema(connection)
    with pytest.raises(StorageError):
        upgrade_database(database_url)
    with engine.begin() as connection:
        assert _schema(connection) == before
        connection.execute(text("DROP TABLE outcomes"))
    test_an_upgraded_database_is_what_the_tables_declare(database_url)


def _schema(connection: Connection) -> object:
    found = inspect(connection)
    tables = sorted(found.get_table_names())
    columns = [(table, column["name"], str(column["type"])) for table in tables for column in found.get_columns(table)]
    return columns, [index["name"] for table in tables for index in found.get_indexes(table)]


def test_several_that_start_at_once_make_one_schema(database_url: str, tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "LOAN_HOME": str(tmp_path / "home"), "DATABASE_URL": database_url}
    command_line = [sys.executable, "-m", "loan_api", "init"]
    started = [
        subprocess.Popen(command_line, cwd=PROJECT_ROOT, env=environ, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    errors = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [0] * 4, errors
    test_an_upgraded_database_is_what_the_tables_declare(database_url)


def test_a_database_at_another_revision_is_not_ok(database_url: str) -> None:
    upgrade_database(database_url)
    command.downgrade(migration_config(database_url), "base")
    writer = DecisionWriter(database_url)
    with pytest.raises(StorageError, match=f"revision None, the code expects {REVISION}"):
        writer.write([], [])
    writer.close()


def test_a_database_that_a_newer_version_has_migrated_is_refused(database_url: str, tmp_path: Path) -> None:
    upgrade_database(database_url)
    with open_engine(database_url).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerDatabaseError, match="revision 9999, which this version of the code does not know"):
        upgrade_database(database_url)
    environ = {"LOAN_HOME": str(tmp_path / "home"), "DATABASE_URL": database_url}
    for verb in ("init", "serve"):
        result = CliRunner().invoke(cli, [verb], env=environ)
        assert result.exit_code == 1
        assert result.output.startswith("Error: the database is at revision 9999")
        assert "secret" not in result.output


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_start_with_another_database_warns_about_the_decisions_left_behind(tmp_path: Path, is_empty: bool) -> None:
    default = f"sqlite:///{tmp_path}/decisions.db"
    upgrade_database(default)
    if not is_empty:
        Ledger(default).batch(0.25)

    def start(url: str) -> str:
        result = CliRunner().invoke(cli, ["init"], env={"LOAN_HOME": str(tmp_path), "DATABASE_URL": url})
        assert result.exit_code == 0
        return result.output

    assert start(default) == ""
    output = start(f"sqlite:///{tmp_path}/new.db")
    if is_empty:
        assert output == ""
    else:
        assert output.startswith(f"Warning: {tmp_path}/decisions.db holds earlier decisions")
        assert f"export them with DATABASE_URL={default}" in output


def test_a_restored_database_becomes_readable_by_its_owner_only(tmp_path: Path) -> None:
    """Tighten the permissions of a restored copy and its write-ahead log, which are those of ordinary files."""
    url = f"sqlite:///{tmp_path}/decisions.db"
    upgrade_database(url)
    writer = DecisionWriter(url)
    writer.write([], [])
    restored = [path for path in tmp_path.glob("decisions.db*") if not path.name.endswith("-lock")]
    assert sorted(path.name for path in restored) == ["decisions.db", "decisions.db-shm", "decisions.db-wal"]
    for path in restored:
        path.chmod(0o644)
    result = CliRunner().invoke(cli, ["init"], env={"LOAN_HOME": str(tmp_path), "DATABASE_URL": url})
    writer.close()
    assert result.exit_code == 0
    assert {path.stat().st_mode & 0o777 for path in restored if path.exists()} == {0o600}


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    upgrade_database(f"sqlite:///{tmp_path}/decisions.db")
    DecisionWriter(f"sqlite:///{tmp_path}/decisions.db").write([], [])
    assert {path.stat().st_mode & 0o077 for path in tmp_path.glob("decisions.db")} == {0}
