"""Documented commands that replace a database or need another server, run on a copy; the document tests skip them."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from loan_api.adapters.storage.archive import DatabaseArchive
from loan_api.adapters.storage.migration import upgrade_database
from loan_api.home import Home, sqlite_url
from loan_api.services.audit import DecisionName
from loan_api.settings import PROJECT_ROOT
from tests.support.documents import blocks
from tests.support.forms import SHIPPED
from tests.support.ledger import Ledger
from tests.support.postgresql import Server

pytestmark = pytest.mark.torture


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Create a folder with the virtual environment and a new tracking database."""
    (tmp_path / "instance").mkdir()
    MlflowClient(sqlite_url(Home(tmp_path / "instance").tracking_database)).search_experiments()
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def run_block(
    checkout: Path,
    containing: str,
    page: str = "operations",
    replaced: Mapping[str, str] | None = None,
    typed: str = "",
    **environ: str,
) -> None:
    """Run the block of the page that contains `containing`, with some texts replaced, and `typed` at its prompts."""
    path = PROJECT_ROOT / "docs" / f"{page}.md"
    (block,) = (block for block in blocks(path) if block.language == "console" and containing in block.content)
    assert block.not_run is not None
    script = "\n".join(command.text for command in block.commands())
    for text, replacement in (replaced or {}).items():
        assert text in script
        script = script.replace(text, replacement)
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "HOME": str(checkout), **environ},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        start_new_session=True,  # a prompt reads standard input if there is no terminal
    )
    assert done.returncode == 0, done.stderr


def test_deleted_runs_are_swept_away_and_others_stay(checkout: Path) -> None:
    client = MlflowClient(sqlite_url(Home(checkout / "instance").tracking_database))
    experiment = client.create_experiment("scratch", artifact_location=(checkout / "scratch").as_uri())
    deleted, kept = (client.create_run(experiment).info.run_id for _ in range(2))
    client.log_text(deleted, "text", "file.txt")
    client.delete_run(deleted)
    run_block(checkout, "mlflow gc")
    assert client.get_run(kept).info.lifecycle_stage == "active"
    with pytest.raises(Exception, match=deleted):
        client.get_run(deleted)
    assert not list((checkout / "scratch").rglob("file.txt"))


def test_the_tracking_database_can_be_upgraded(checkout: Path) -> None:
    run_block(checkout, "mlflow db upgrade")


def is_recorded(url: str, decision_id: str) -> bool:
    return DatabaseArchive(SHIPPED, url).find(DecisionName(decision_id)) is not None


def test_a_backup_of_decisions_in_sqlite_is_restored(checkout: Path) -> None:
    database, backup = Home(checkout / "instance").decisions_database, checkout / "backup" / "decisions.db"
    url = sqlite_url(database)
    upgrade_database(url)
    ledger = Ledger(url)
    before = ledger.single()
    backup.parent.mkdir()
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(backup)) as copy:
        source.backup(copy)
    after = ledger.single()
    run_block(checkout, "install -m 0600 backup/decisions.db")
    assert (is_recorded(url, before), is_recorded(url, after)) == (True, False)
    assert database.stat().st_mode & 0o777 == 0o600


def test_decisions_in_postgresql_are_backed_up_and_restored(checkout: Path, postgresql: Server) -> None:
    url = postgresql.new_database()
    upgrade_database(url)
    decision_id = Ledger(url).single()
    (checkout / "backup").mkdir()
    passwords = checkout / "pgpass"
    passwords.write_text("*:*:*:loan:secret\n", encoding="utf-8")
    passwords.chmod(0o600)
    name = url.rpartition("/")[2]
    replaced = {
        "PGHOST=database": f"PGHOST=127.0.0.1 PGPORT={postgresql.port}",
        "PGDATABASE=decisions": f"PGDATABASE={name}",
        "--dbname=decisions": f"--dbname={name}",
    }
    run_block(checkout, "pg_restore", replaced=replaced)
    assert is_recorded(url, decision_id)


def test_a_new_user_and_database_are_initialised(checkout: Path, postgresql: Server) -> None:
    replaced = {
        "--pwprompt loan": "--pwprompt setup_user",
        "--owner=loan decisions": "--owner=setup_user setup_decisions",
        "loan:PASSWORD@localhost:5432/decisions": f"setup_user:PASSWORD@127.0.0.1:{postgresql.port}/setup_decisions",
    }
    server = {"PGHOST": "127.0.0.1", "PGPORT": str(postgresql.port), "PGUSER": "loan", "PGPASSWORD": "secret"}
    project = {"PYTHONPATH": str(PROJECT_ROOT), "LOAN_HOME": str(checkout / "instance")}
    run_block(checkout, "createuser", "setup", replaced, "PASSWORD\n" * 2, **server, **project)
    url = f"postgresql://setup_user:PASSWORD@127.0.0.1:{postgresql.port}/setup_decisions"
    assert is_recorded(url, Ledger(url).single())
